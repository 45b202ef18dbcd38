"""The OCPI hub: wiring, the protocol, our partners, and how objects move between them."""
