"""Failures of what is asked of the hub: requests that it refused, quotas, and registrations."""

from ocpi_hub.errorreports.kind import Kind, Who

REQUESTS = (
    Kind(
        "request.invalid",
        "The partner sends what breaks the specification",
        "A field or parameter of its request is wrong or missing (status code 2001 or 2002). It was refused, nothing"
        " was stored, and nobody got the object.",
        Who.PARTNER,
        "The text names the place. Tell the partner; its request is in the report.",
        "The hub refused your requests because a field in them is wrong or missing; the text names it. Nobody got"
        " these objects. Please mend them and send them again.",
        text_is_theirs=True,
    ),
    Kind(
        "request.unreadable",
        "The partner sends what is no JSON",
        "The body of its request cannot be read at all (HTTP 400). Nothing was stored, and nobody got it.",
        Who.PARTNER,
        "Tell the partner; the beginning of its request is in the report.",
        "The hub could not read your requests: their bodies are no JSON. Please look at what your system sends.",
        text_is_theirs=True,
    ),
    Kind(
        "request.not_its_own",
        "The partner writes to an address that is not its own",
        "It sent something to an address of another owner, or to one that does not exist (HTTP 404). Nothing was"
        " changed.",
        Who.PARTNER,
        "See the text: often country code and party id in the URL are not those of the party that sends it, or the"
        " partner is registered in another role.",
        "Your system sends objects to addresses that are not yours. Country code and party id in the URL must be those"
        " of your own party, in the role that you registered.",
        text_is_theirs=True,
    ),
    Kind(
        "request.unknown_receiver",
        "The partner wants something of a party that it cannot reach",
        "The party in OCPI-to is not known to this hub, or has no agreement with the one that asks (status code"
        " 4001).",
        Who.BOTH,
        "When the two should exchange this, make an agreement, or invite the missing party. Else tell the partner to"
        " leave it.",
        "Your requests name a party in OCPI-to that is not connected here, or that you have no agreement with. Please"
        " check the name, or ask us.",
    ),
    Kind(
        "request.not_routed",
        "A request of another hub goes no further",
        "What a hub sends to everybody, or for a party behind yet another hub, ends here, or it would go round for"
        " ever (status code 4000).",
        Who.PARTNER,
        "Tell the other hub to name a party in OCPI-to that is connected here.",
        "Your hub sent what goes no further here. Please name a party in OCPI-to that is connected to this hub.",
    ),
    Kind(
        "request.method",
        "The partner uses a method that is not offered",
        "The address exists, and this method is not for it (HTTP 405). Nothing was changed.",
        Who.PARTNER,
        "Tell the partner; when it is about credentials, it should PUT where it is registered and POST where not.",
        "Your system uses HTTP methods that the hub does not offer at that address; the header Allow of the answer"
        " lists those that it does.",
    ),
    Kind(
        "request.refused",
        "A request of the partner is refused",
        "The hub could not accept it for a reason that the text tells. Nothing was changed.",
        Who.PARTNER,
        "Read the text, and tell the partner.",
        "The hub refused requests of your system. The text says why.",
        text_is_theirs=True,
    ),
    Kind(
        "request.not_registered",
        "A partner calls before it is registered",
        "It uses its invitation for other things than registering, or its registration has ended. It was answered with"
        " 401.",
        Who.PARTNER,
        "Tell the partner to finish its registration: POST its credentials first.",
        "Your registration with the hub is not finished, or has ended. Please POST your credentials with the"
        " invitation that you got.",
    ),
    Kind(
        "request.unknown_token",
        "Somebody calls with a token that is not known",
        "The credentials token belongs to no partner, or is no longer valid. It was answered with 401, and nothing was"
        " changed. The text names the address that it came from.",
        Who.HUB,
        "When a partner says that it is locked out, have it start over. When you know nobody at that address, somebody"
        " tries tokens: block it at your firewall.",
    ),
    Kind(
        "request.no_token",
        "Somebody calls without a token",
        "The Authorization header is missing or not of OCPI's form. It was answered with 401. The text names the"
        " address that it came from.",
        Who.NOBODY,
        "When a partner says that it is locked out, tell it the form: Token, one space, its token in Base64.",
    ),
    Kind(
        "request.nothing_there",
        "Somebody calls an address that does not exist",
        "There is nothing at this address of the hub (HTTP 404). The text names the address that it came from.",
        Who.NOBODY,
        "A partner that mistypes its endpoints looks like this: it should take them from the version details.",
    ),
    Kind(
        "request.too_large",
        "A request is too large, or does not come to its end",
        "The body is larger than 2 MB, did not arrive within ten seconds, or broke off. It was not read, so whose it"
        " is is not known; the text names the address that it came from.",
        Who.NOBODY,
        "When a partner misses something, ask whether its objects are larger than 2 MB or its line is slow.",
    ),
    Kind(
        "quota.exceeded",
        "The partner makes too many requests",
        "It made more requests in a minute than it may, and the rest was answered with 429.",
        Who.BOTH,
        "Ask the partner what it does. If it needs more, raise the requests per minute on its page.",
        "Your system makes more requests in a minute than the hub takes; the rest is answered with HTTP 429. Please"
        " slow down, or ask us for more.",
    ),
    Kind(
        "quota.at_once",
        "The partner makes too many requests at once",
        "More of its requests were under way at the same moment than the hub works on for one partner, and the rest was"
        " answered with 429.",
        Who.PARTNER,
        "Tell the partner to send fewer requests in parallel. HUB_CONCURRENT_REQUESTS is the limit for all.",
        "Your system has too many requests under way at the same moment; the rest is answered with HTTP 429. Please"
        " send fewer in parallel.",
    ),
)

HANDSHAKE = (
    Kind(
        "handshake.unusable",
        "Registration failed: the partner's side cannot be used",
        "The partner registered or renewed its credentials, and the hub could not call its versions endpoints with the"
        " token that it gave (status code 3001). Both sides stay as they were.",
        Who.PARTNER,
        "The text says which address failed and how. Tell the partner.",
        "Your registration failed: the hub could not call your versions endpoints with the token in your credentials."
        " The text says which address failed.",
        text_is_theirs=True,
    ),
    Kind(
        "handshake.version",
        "Registration failed: no version in common",
        "The partner does not offer a version of OCPI that this hub speaks (status code 3002).",
        Who.PARTNER,
        "Tell the partner which version the hub speaks: the text names it.",
        "Your registration failed: your versions endpoint offers no version that this hub speaks.",
        text_is_theirs=True,
    ),
    Kind(
        "handshake.endpoints",
        "Registration failed: endpoints are missing",
        "The partner's version details lack the credentials endpoint, or have no module that this hub exchanges (status"
        " code 3003).",
        Who.PARTNER,
        "Tell the partner what is missing: the text names it.",
        "Your registration failed: endpoints are missing in your version details.",
        text_is_theirs=True,
    ),
    Kind(
        "handshake.party_refused",
        "Registration failed: a party that the partner may not speak for",
        "The partner announced a party that was not agreed on, or that belongs to another partner of this hub.",
        Who.BOTH,
        "Compare the text with what you invited. Invite it again with the right parties, or have it correct its"
        " credentials.",
        "Your registration failed: you announced a party that was not agreed on with the hub. Please correct the roles"
        " in your credentials, or ask us.",
    ),
    Kind(
        "handshake.failed",
        "Registering with a partner failed",
        "The hub started the registration with a partner's token, and it did not come to its end. Nothing stays of"
        " it: neither the partner nor a token.",
        Who.HUB,
        "The text says which call failed. Check the versions URL and the token, talk to the partner, and register"
        " again.",
    ),
    Kind(
        "handshake.not_told",
        "A partner could not be told of the hub's new endpoints",
        "What the hub offers has changed, and the partner did not take the new credentials. It goes on with what it"
        " knew; the hub tells it again later.",
        Who.PARTNER,
        "When it goes on, ask the partner to GET the hub's versions and PUT its credentials.",
        "The hub could not PUT its credentials to your system. Please read the hub's versions again and PUT your"
        " credentials.",
    ),
)

KINDS = (*REQUESTS, *HANDSHAKE)
