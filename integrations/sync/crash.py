"""Where the points of integrations.crash were first; what lies lower passes them as well."""

from integrations.crash import hit as hit
