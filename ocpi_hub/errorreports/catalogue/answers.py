"""Failures of work that a partner takes part in: what it answers, leaves out or is given up on."""

from ocpi_hub.errorreports.kind import Kind, Who

DELIVERIES = (
    Kind(
        "delivery.given_up",
        "Delivery given up after the last attempt",
        "The partner failed on it again and again until the retry schedule was used up. The partner goes without the"
        " present state of that object until it is tried again, or changes again.",
        Who.BOTH,
        "When the partner is well again, choose Retry under Dead letters: each is sent once, in its newest state.",
        "The hub gave up to deliver objects to your system after many attempts. Please tell us when it is well, so"
        " that we send them again.",
    ),
    Kind(
        "delivery.interrupted",
        "A worker ended while it was delivering",
        "A worker process was stopped or killed between sending and noting the answer. What it had in hand is sent"
        " again, so the partner may get the same state twice.",
        Who.NOBODY,
        "When it comes again without a restart of yours, look why workers die: memory, or the log of the worker.",
    ),
)

RELAYS = (
    Kind(
        "relay.others_listed",
        "The partner listed objects of others",
        "A party read this partner's list through the hub, and got objects in it that belong to somebody else. The hub"
        " left them out.",
        Who.PARTNER,
        "Tell the partner: it must look at OCPI-from when it answers, or it shows customers' data to strangers.",
        "Your system answered a request of one party with objects that belong to another. The hub left them out."
        " Please have your system look at the header OCPI-from-party-id.",
    ),
    Kind(
        "relay.link_unreadable",
        "The partner's list cannot be read on",
        "The partner's list has a Link to its next page that cannot be read, or that leads to a server of which the"
        " partner never told the hub. The party that reads it gets the first pages only, and cannot know that there"
        " are more.",
        Who.PARTNER,
        "Show the partner the Link header of its answer.",
        'The Link header of your list pages cannot be followed. It has the form <URL of the next page>; rel="next",'
        " and leads to a server that is among your endpoints.",
    ),
)

PULLS = (
    Kind(
        "pull.broken_list",
        "Pull failed: the list leads nowhere",
        "The Link from page to page leads back to where the hub was before, is no URL, never ends, or leads to a"
        " server of which the partner never told the hub: its token is not sent there. What comes after that page is"
        " missing here.",
        Who.PARTNER,
        "Tell the partner which page it is: the text says it.",
        "Your list cannot be read to its end: its Link header leads in a circle, is no URL, leads to a server that is"
        " not among your endpoints, or the list never ends.",
        text_is_theirs=True,
    ),
    Kind(
        "pull.too_many_refused",
        "Pull ended: too many of its objects are refused",
        "More than a thousand objects of the list break the specification, so the hub stopped reading it.",
        Who.BOTH,
        "Look at Refused objects: often it is one mistake in all of them, which a row of the partner's repair table"
        " can mend. Else the partner must.",
        "More than a thousand objects of your list break the specification, so the hub stopped reading it. Please"
        " mend them; ask us for the reasons.",
    ),
    Kind(
        "pull.not_believed",
        "A full list that seems to lack much of what was there",
        "The partner's full list has less than half of the objects that it had before, fewer than its X-Total-Count"
        " says, some of them on several pages in the place of others, or one whose id cannot be read. The hub keeps"
        " them all as they are, in case the partner's server is at fault.",
        Who.BOTH,
        "Ask the partner whether the list is right. If it is, tick Believe the next full pull in its pull plan, and"
        " pull everything now.",
        "Your full list had less than half of the objects of your last one, fewer than its X-Total-Count, the same"
        " ones on several pages, or one whose id cannot be read. The hub keeps the others for now. Please look whether"
        " your list is complete, and tell us when it is.",
    ),
    Kind(
        "pull.interrupted",
        "A pull did not end by itself",
        "The process that read the list ended, or took so long that another one took over. The next pull goes on where"
        " it stood.",
        Who.NOBODY,
        "When it comes again without a restart of yours, look into the worker's log.",
    ),
)

OBJECTS = (
    Kind(
        "object.refused",
        "A pulled object is refused",
        "An object in the partner's list breaks the specification, and nothing in its repair table mends it. All"
        " others of the list are taken. Nobody gets this one until it comes whole.",
        Who.PARTNER,
        "The text names the place in the object. Tell the partner, or add a row to its repair table.",
        "An object in your list breaks the specification, and nobody gets it. Please mend it: the text names the"
        " place.",
        text_is_theirs=True,
    ),
    Kind(
        "object.contradicted",
        "An object came with other content under the same id",
        "What must never change, such as a CDR, came a second time with other content or for another party. The hub"
        " keeps the first one, because invoices may rest on it.",
        Who.PARTNER,
        "Have the partner send a credit CDR and a new one with an id of its own. Refused objects has what came.",
        "Your system sent a CDR again with other content. CDRs never change: please send a credit CDR, and the right"
        " one under a new id.",
    ),
    Kind(
        "object.unknown_party",
        "Objects for a party that the hub does not know",
        "The partner's list holds objects that belong to a party which is not connected here. They are not kept.",
        Who.NOBODY,
        "Nothing to do, unless that party should be a partner of yours: then invite it.",
    ),
    Kind(
        "object.not_kept",
        "A relayed object breaks the specification",
        "A party sent it to another one through the hub, and that one took it. The hub itself would refuse it and keeps"
        " no copy: it is in no list of the hub and is not counted.",
        Who.PARTNER,
        "The text names the place in the object. Tell the partner that sent it.",
        "An object that you sent to a party breaks the specification, so the hub has no copy of it. The text names the"
        " place.",
        text_is_theirs=True,
    ),
    Kind(
        "object.still_in_use",
        "A Tariff was deleted that Connectors still name",
        "The operator deleted it, and Locations of the same operator refer to it. Providers cannot show a price"
        " there.",
        Who.PARTNER,
        "Tell the partner which Locations it is: the text names them.",
        "You deleted a Tariff that Connectors of yours still name. Please update those Locations, or send the Tariff"
        " again.",
        text_is_theirs=True,
    ),
    Kind(
        "object.differs",
        "The partner has entries otherwise than it was told",
        "Its list of clients said something else than it had taken from the hub. It was sent the right state again.",
        Who.NOBODY,
        "When it goes on for days, ask the partner who else writes to its list of clients.",
    ),
)

AUTHORIZATIONS = (
    Kind(
        "authorization.undecided",
        "The provider does not say whether the driver may charge",
        "It answered with success, and without one of the words ALLOWED, BLOCKED, EXPIRED, NO_CREDIT and NOT_ALLOWED."
        " The driver was turned away, unless the hub's list of tokens may decide.",
        Who.PARTNER,
        "Show the provider its answer, which the report holds: the field allowed is wrong or missing.",
        "Your answers to authorize lack the field allowed, or it holds a value that is none of OCPI. Drivers are"
        " turned away for that.",
    ),
    Kind(
        "authorization.other_token",
        "The provider answered about another token",
        "The hub asked about one token, and the answer is about another one or another provider's. It was not used:"
        " somebody else would have paid for the charge.",
        Who.PARTNER,
        "Tell the provider: the token in its answer must be the one in the URL of the question.",
        "Your answer to authorize holds another token than the hub asked about. It is not used, and the driver was"
        " turned away.",
    ),
    Kind(
        "authorization.without_token",
        "The provider authorized without naming the token",
        "Its answer lacks the token, which OCPI requires. The hub added it from its list, and the driver charges.",
        Who.PARTNER,
        "Tell the provider when there is time: chargers that it does not have in the hub's list would be lost.",
        "Your answers to authorize lack the field token, which is required. The hub adds it where it knows it.",
    ),
    Kind(
        "authorization.faulty",
        "The provider's authorization breaks the specification",
        "The answer says whether the driver may charge, and another field in it is wrong. It went to the operator as it"
        " came; some operators' systems will refuse it.",
        Who.PARTNER,
        "Tell the provider which field it is: the text names it.",
        "A field in your answers to authorize breaks the specification; the text names it. Some operators will refuse"
        " such an answer.",
        text_is_theirs=True,
    ),
    Kind(
        "authorization.ambiguous",
        "Several providers have a token with the same uid",
        "An operator asked about a uid that tokens of more than one provider have. The hub asks the one whose token it"
        " has had longest; the driver of the other one cannot charge by it, or at a stranger's expense.",
        Who.BOTH,
        "Find out which of the providers named in the text issued that card, and have the other one delete the"
        " token.",
        "A token of yours has the uid of another provider's. Please look whose card it is; one of you must delete"
        " it.",
    ),
)

COMMANDS = (
    Kind(
        "command.no_answer",
        "A command was left without any answer",
        "A command or a request about a charging profile went out, and nothing was heard: the hub was interrupted"
        " while it waited. Whether the operator got it is unknown.",
        Who.NOBODY,
        "When it comes again without a restart of yours, look into the web process's log. The driver tries again.",
    ),
    Kind(
        "command.unreadable_answer",
        "The operator's answer to a command cannot be read",
        "The operator answered, and its answer does not say whether it accepts the command. The provider got the answer"
        " as it came.",
        Who.PARTNER,
        "Show the operator its answer: the text says what is wrong with it.",
        "Your answers to commands break the specification, so nobody knows whether you accept them. The text says"
        " what is wrong.",
        text_is_theirs=True,
    ),
    Kind(
        "command.no_result",
        "A command was accepted, and its result never came",
        "The operator accepted a command or a request about a charging profile, and sent no result within the time"
        " that it announced. Whether it works is unknown, and the driver may wait in vain.",
        Who.PARTNER,
        "Tell the operator: it must send a result for each command that it accepts, to the response_url that came"
        " with it.",
        "Your system accepted a command and sent no result in time. Please send a result to the response_url for each"
        " command that you accept, also when the charger did not react.",
    ),
    Kind(
        "command.no_session",
        "A session was started, and no Session came",
        "The operator says that the start worked, and no Session of it came. The driver may charge without being"
        " billed, or not charge at all.",
        Who.PARTNER,
        "Ask the operator for the Session, or why there is none.",
        "Your system said that START_SESSION worked, and sent no Session. Please push the Session, with the"
        " authorization_reference of the command.",
    ),
)

LIVENESS = (
    Kind(
        "liveness.no_answer",
        "The partner does not list its versions",
        "The hub called its versions endpoint to see whether it is there, and got no good answer. After three in a row"
        " it counts as offline, unless deliveries still arrive there.",
        Who.PARTNER,
        "Nothing yet when it is a single one. When it goes on, tell the partner: others may see it as offline.",
        "Your versions endpoint does not answer as it should. When that goes on, the hub shows you as offline to"
        " others.",
    ),
    Kind(
        "liveness.offline",
        "The partner is offline",
        "It answers neither its versions endpoint nor deliveries. Requests of others for it are refused at once, and"
        " everybody is told that it is offline. What is for it waits, and is sent when it is back.",
        Who.PARTNER,
        "Call the partner. Nothing has to be done here: the hub asks every five minutes, delivers what waited when it"
        " answers, and reads its lists from before the outage.",
        "Your system does not answer the hub, and counts as offline to everybody. Please bring it back: all that"
        " waits is delivered then.",
    ),
    Kind(
        "liveness.token_unknown",
        "The partner no longer knows the hub's token",
        "Its versions endpoint answers HTTP 401 or 403. Its server is there, and the registration is lost: nothing"
        " moves between the two.",
        Who.BOTH,
        "Ask the partner to PUT its credentials. If it has lost its token as well, choose Start over on its page.",
        "Your versions endpoint refuses the hub's credentials token. Please PUT your credentials to the hub; if you"
        " have lost your own token, ask us for a new invitation.",
    ),
)

KINDS = (*DELIVERIES, *RELAYS, *PULLS, *OBJECTS, *AUTHORIZATIONS, *COMMANDS, *LIVENESS)
