"""OCPI as the specification has it: wire objects, their encoding, and how to call a platform."""
