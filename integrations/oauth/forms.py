"""Forms made from what a provider declares: what it asks before consent, and its keys."""

from collections.abc import Mapping

from django import forms

from integrations.services.connections import key_way
from integrations.types import Field, Provider


class DeclaredForm(forms.Form):
    """One input per declared field. What it means is checked by the service, with the provider.

    A secret that was entered is never written into the page again.
    """

    def __init__(self, provider: Provider, data: Mapping[str, str] | None = None) -> None:
        super().__init__(data)
        self.provider = provider
        for declared in (*self.sign_in_fields, *provider.fields):
            self.fields[declared.name] = _input(declared)

    @property
    def sign_in_fields(self) -> tuple[Field, ...]:
        return ()

    def secrets(self) -> dict[str, str]:
        return {one.name: self.cleaned_data[one.name] for one in self.sign_in_fields}

    def extra(self) -> dict[str, str]:
        return {one.name: self.cleaned_data[one.name] for one in self.provider.fields}

    def refuse(self, errors: Mapping[str, list[str]], message: str) -> None:
        """Show what the service found, at its field where there is one."""
        for name, said in errors.items():
            self.add_error(name if name in self.fields else None, said)
        if not errors:
            self.add_error(None, message)


class CredentialsForm(DeclaredForm):
    """With the fields of the provider's sign-in by key before its others."""

    @property
    def sign_in_fields(self) -> tuple[Field, ...]:
        way = key_way(self.provider)
        return way.fields if way is not None else ()


def _input(declared: Field) -> forms.CharField:
    widget = forms.PasswordInput if declared.secret else forms.TextInput
    return forms.CharField(
        label=declared.label,
        required=declared.required,
        help_text=declared.help,
        max_length=4000,
        widget=widget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": f"Enter {declared.label}."},
    )
