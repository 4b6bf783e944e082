"""The import contracts hold."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    linter = Path(sys.executable).parent / "lint-imports"
    order = subprocess.run([str(linter)], cwd=ROOT, check=False).returncode
    print(f"import order {'kept' if order == 0 else 'BROKEN'}")
    return 0 if order == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
