"""Nothing here is about drivers (erasure.py): partners, their addresses, what they agreed on."""

from ocpi_hub.erasure import harmless

harmless(
    "partners.Platform", "name", "versions_url", "token_cipher", "announced", "probe_outcome", "report_email"
)
harmless("partners.IssuedToken", "digest")
harmless("partners.Endpoint", "module", "url")
harmless("partners.Party", "business_details", "told")
harmless("partners.Agreement", "note")
