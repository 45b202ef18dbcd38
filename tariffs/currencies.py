"""Currencies that prices are in: the codes of ISO 4217, without funds, metals and test codes."""

from datetime import date
from decimal import Decimal

_ACTIVE = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP
CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG
HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL
MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR
RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD
TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
ACTIVE = frozenset(_ACTIVE.split())

# What was paid with until then, and what came instead.
REPLACED = {
    "ANG": (date(2025, 3, 31), "XCG"),
    "BGN": (date(2026, 1, 1), "EUR"),
    "BYR": (date(2017, 1, 1), "BYN"),
    "CUC": (date(2021, 6, 30), "CUP"),
    "EEK": (date(2011, 1, 1), "EUR"),
    "HRK": (date(2023, 1, 1), "EUR"),
    "LTL": (date(2015, 1, 1), "EUR"),
    "LVL": (date(2014, 1, 1), "EUR"),
    "MRO": (date(2018, 1, 1), "MRU"),
    "SLL": (date(2024, 4, 1), "SLE"),
    "STD": (date(2018, 1, 1), "STN"),
    "VEF": (date(2018, 8, 20), "VES"),
    "ZWL": (date(2024, 9, 1), "ZWG"),
}

# About how many of them make a euro, in powers and halves of ten: enough to tell a price from one in cents.
TO_THE_EURO = {
    code: Decimal(rough)
    for rough, codes in {
        "1": "EUR GBP CHF USD GIP AUD CAD NZD SGD BAM BGN",
        "5": "PLN RON ILS AED SAR QAR MYR BRL GEL CNY BYN TND",
        "10": "SEK NOK DKK ZAR HKD MXN MAD MDL EGP",
        "50": "CZK TRY UAH INR THB TWD MKD RUB PHP UYU",
        "100": "ALL RSD ISK JPY KES",
        "500": "HUF AMD KZT CRC",
        "1000": "CLP KRW ARS",
        "5000": "COP",
        "20000": "IDR VND",
    }.items()
    for code in codes.split()
}
