"""What /api/v1/connections/{id}/disconnect/ is asked and answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from hub.parameters import Asked
from integrations.models import Disconnection
from integrations.services.disconnect import STEPS

FAILED = "The provider did not end the access. Somebody at the customer removes it there by hand."


class DisconnectRequestSerializer(Asked):
    keep_records = serializers.BooleanField(
        help_text="False deletes its records, rejected records, checkpoints and runs."
    )


class DisconnectStepSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(choices=[(name, name) for name in STEPS])
    outcome = serializers.ChoiceField(choices=Disconnection.Outcome.choices)
    sentence = serializers.CharField()
    at = serializers.DateTimeField()


class DisconnectionSerializer(serializers.ModelSerializer[Disconnection]):
    connection = serializers.UUIDField(source="connection_id")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Empty: still under way.")
    steps = serializers.SerializerMethodField(help_text="Those that are over, oldest first.")

    class Meta:
        model = Disconnection
        fields = ("connection", "keep_records", "created_at", "ended_at", "steps")
        read_only_fields = fields

    @extend_schema_field(DisconnectStepSerializer(many=True))
    def get_steps(self, asked: Disconnection) -> list[dict[str, Any]]:
        """Why a provider could not be asked is the operator's to know."""
        failed = Disconnection.Outcome.FAILED
        return [
            {**line, "sentence": FAILED} if line["outcome"] == failed else line
            for line in asked.lines
        ]
