"""The JSON of OAuth clients and authorizations."""

from typing import Any

from rest_framework import serializers

from mcp_platform.oauth.models import Authorization, Client
from mcp_platform.oauth.services.clients import ITSELF, LONGEST_NAME, PERSON

ACTS_FOR = [(PERSON, "a person who lets it in"), (ITSELF, "itself")]


class ClientSerializer(serializers.ModelSerializer[Client]):
    acts_for = serializers.SerializerMethodField()
    confidential = serializers.SerializerMethodField()
    redirect_uris = serializers.SerializerMethodField()
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True, help_text="Empty: everything that clients may ask for at all")
    authorizations = serializers.IntegerField(source="people", read_only=True, help_text="How many people let it act for them now")

    class Meta:
        model = Client
        fields: tuple[str, ...] = (
            *("id", "client_id", "name", "acts_for", "confidential", "redirect_uris", "scopes", "authorizations"),
            *("withdrawn_at", "created"),
        )
        read_only_fields: tuple[str, ...] = fields

    def get_acts_for(self, row: Client) -> str:
        return ITSELF if row.authorization_grant_type == Client.GRANT_CLIENT_CREDENTIALS else PERSON

    def get_confidential(self, row: Client) -> bool:
        return bool(row.client_type == Client.CLIENT_CONFIDENTIAL)

    def get_redirect_uris(self, row: Client) -> list[str]:
        return str(row.redirect_uris).split()


class NewClientSerializer(ClientSerializer):
    """`client_secret` is in this answer and nowhere else; a public client has none."""

    client_secret = serializers.CharField(read_only=True, allow_blank=True)

    class Meta(ClientSerializer.Meta):
        fields = (*ClientSerializer.Meta.fields, "client_secret")
        read_only_fields = fields


class ClientCreateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=LONGEST_NAME)
    acts_for = serializers.ChoiceField(choices=ACTS_FOR, default=PERSON)
    confidential = serializers.BooleanField(default=False, help_text="It can keep a secret: it runs on a server of its own")
    redirect_uris = serializers.ListField(child=serializers.CharField(max_length=2000), default=list, max_length=20)
    scopes = serializers.ListField(child=serializers.CharField(max_length=100), default=list, max_length=100)


class ClientChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=LONGEST_NAME, required=False)
    redirect_uris = serializers.ListField(child=serializers.CharField(max_length=2000), required=False, max_length=20)
    scopes = serializers.ListField(child=serializers.CharField(max_length=100), required=False, max_length=100)


class AuthorizationSerializer(serializers.ModelSerializer[Authorization]):
    client_id = serializers.CharField(source="client.client_id", read_only=True, help_text="Of OAuth; an address for one that names itself by one")
    client_name = serializers.CharField(source="client.name", read_only=True)
    user_id = serializers.UUIDField(read_only=True)
    username = serializers.CharField(source="user.username", read_only=True)
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Authorization
        fields = ("id", "client_id", "client_name", "user_id", "username", "scopes", "created_at", "renewed_at", "last_used_at", "revoked_at")
        read_only_fields = fields
