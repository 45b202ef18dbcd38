"""Sessions twice: as one row with its document, and as the tables that a nested serializer writes."""

from django.db import models


class BareSession(models.Model):
    country_code = models.CharField(max_length=2)
    party_id = models.CharField(max_length=3)
    session_id = models.CharField(max_length=36)
    status = models.CharField(max_length=11, db_index=True)
    start_date_time = models.DateTimeField()
    end_date_time = models.DateTimeField(null=True)
    kwh = models.DecimalField(max_digits=20, decimal_places=6)
    location_id = models.CharField(max_length=36)
    last_updated = models.DateTimeField(db_index=True)
    document = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["country_code", "party_id", "session_id"], name="one_bare_session"
            )
        ]

    def __str__(self) -> str:
        return self.session_id


class CdrToken(models.Model):
    country_code = models.CharField(max_length=2)
    party_id = models.CharField(max_length=3)
    uid = models.CharField(max_length=36)
    type = models.CharField(max_length=11)
    contract_id = models.CharField(max_length=36)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["country_code", "party_id", "uid"], name="one_token")]

    def __str__(self) -> str:
        return self.uid


class Session(models.Model):
    country_code = models.CharField(max_length=2)
    party_id = models.CharField(max_length=3)
    session_id = models.CharField(max_length=36)
    start_date_time = models.DateTimeField()
    end_date_time = models.DateTimeField(null=True)
    kwh = models.DecimalField(max_digits=20, decimal_places=6)
    cdr_token = models.ForeignKey(CdrToken, models.PROTECT)
    auth_method = models.CharField(max_length=12)
    authorization_reference = models.CharField(max_length=36, default="")
    location_id = models.CharField(max_length=36)
    evse_uid = models.CharField(max_length=36)
    connector_id = models.CharField(max_length=36)
    meter_id = models.CharField(max_length=255, default="")
    currency = models.CharField(max_length=3)
    excl_vat = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    incl_vat = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    status = models.CharField(max_length=11, db_index=True)
    last_updated = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["country_code", "party_id", "session_id"], name="one_session")
        ]

    def __str__(self) -> str:
        return self.session_id


class ChargingPeriod(models.Model):
    session = models.ForeignKey(Session, models.CASCADE, related_name="charging_periods")
    start_date_time = models.DateTimeField()
    tariff_id = models.CharField(max_length=36, default="")

    def __str__(self) -> str:
        return f"{self.session}, {self.start_date_time}"


class Dimension(models.Model):
    period = models.ForeignKey(ChargingPeriod, models.CASCADE, related_name="dimensions")
    type = models.CharField(max_length=16)
    volume = models.DecimalField(max_digits=20, decimal_places=6)

    def __str__(self) -> str:
        return f"{self.type} {self.volume}"
