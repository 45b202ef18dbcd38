"""A CPO platform and an eMSP platform to try a hub against: they speak HTTP only and share no code."""
