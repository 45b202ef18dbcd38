"""The usual nested serializer: the parts are popped from the checked data and written beside the Session."""

from typing import Any

from django.db import transaction
from rest_framework import serializers

from benchmarks.rivals.models import CdrToken, ChargingPeriod, Dimension, Session


class CdrTokenSerializer(serializers.ModelSerializer):
    class Meta:
        model = CdrToken
        fields = ["country_code", "party_id", "uid", "type", "contract_id"]
        validators: list[Any] = []  # it may be there already


class DimensionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Dimension
        fields = ["type", "volume"]


class ChargingPeriodSerializer(serializers.ModelSerializer):
    dimensions = DimensionSerializer(many=True)

    class Meta:
        model = ChargingPeriod
        fields = ["start_date_time", "dimensions", "tariff_id"]


class PriceSerializer(serializers.Serializer):
    excl_vat = serializers.DecimalField(max_digits=20, decimal_places=6)
    incl_vat = serializers.DecimalField(max_digits=20, decimal_places=6, required=False)


class SessionSerializer(serializers.ModelSerializer):
    id = serializers.CharField(max_length=36, source="session_id")
    cdr_token = CdrTokenSerializer()
    charging_periods = ChargingPeriodSerializer(many=True, required=False)
    total_cost = PriceSerializer(required=False)

    class Meta:
        model = Session
        fields = [
            "country_code", "party_id", "id", "start_date_time", "end_date_time", "kwh", "cdr_token", "auth_method",
            "authorization_reference", "location_id", "evse_uid", "connector_id", "meter_id", "currency",
            "charging_periods", "total_cost", "status", "last_updated",
        ]  # fmt: skip
        validators: list[Any] = []  # a PUT creates or replaces

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> Session:
        periods = validated_data.pop("charging_periods", [])
        named = validated_data.pop("cdr_token")
        cost = validated_data.pop("total_cost", {})
        token, _ = CdrToken.objects.update_or_create(
            country_code=named.pop("country_code"),
            party_id=named.pop("party_id"),
            uid=named.pop("uid"),
            defaults=named,
        )
        session, _ = Session.objects.update_or_create(
            country_code=validated_data.pop("country_code"),
            party_id=validated_data.pop("party_id"),
            session_id=validated_data.pop("session_id"),
            defaults={**validated_data, **cost, "cdr_token": token},
        )
        session.charging_periods.all().delete()
        dimensions = [period.pop("dimensions") for period in periods]
        rows = ChargingPeriod.objects.bulk_create(
            ChargingPeriod(session=session, **period) for period in periods
        )
        Dimension.objects.bulk_create(
            Dimension(period=row, **dimension)
            for row, named in zip(rows, dimensions, strict=True)
            for dimension in named
        )
        return session
