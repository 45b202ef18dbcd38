"""What the nightly proof of delivery finds missing; what waits or was given up is reported where it happens."""

from ocpi_hub.errorreports.kind import Kind, Who

KINDS = (
    Kind(
        "proof.lost",
        "The partner no longer has what it acknowledged",
        "The hub asked the partner for CDRs or Sessions that it had accepted, and it has them no more, or has something"
        " else than it was sent. Invoices may be missing or wrong there.",
        Who.BOTH,
        "See Gaps in the admin, which names each object: fill them, and ask the partner where they went.",
        "We asked your Receiver interface for objects that you had accepted from us: some are not there, or differ from"
        " what we sent. Look whether your database lost data or your import changes them; we can send them once more.",
    ),
    Kind(
        "proof.none_found",
        "The partner shows nothing of what it acknowledged",
        "The hub asked the partner for CDRs or Sessions that it had accepted, and it answered 404 for every one. Either"
        " it has lost them all, and invoices are missing there, or its system never lets them be read. The hub cannot"
        " tell which, so nothing is proven and no gap is named.",
        Who.BOTH,
        "Call the partner today and ask whether it has them. If they are lost, choose Count its 404 as lost under"
        " Partners that are asked, and reconcile it again: each one becomes a gap that you can fill. If it has them and"
        " allows no GET, switch asking off there.",
        "We asked your Receiver interface by GET for objects that you had accepted from us, and you answered 404 for"
        " every one. Look at once whether your database still has them. If it has, your system should answer such a GET"
        " with the object; if it has not, tell us, and we send them once more.",
    ),
    Kind(
        "proof.never_sent",
        "Something that the partner should have was never sent",
        "The hub accepted these objects, the partner may see them, and no delivery of them is on record. That must not"
        " happen, unless the partner was suspended, or had no interface for them, when they came.",
        Who.HUB,
        "Fill them under Gaps in the admin. If such gaps come back, tell the makers of the hub.",
    ),
)
