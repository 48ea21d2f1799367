"""Countries and the groups that the configuration may name: EU, EEA and UK."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# ISO 3166-1 alpha-2, and AC, TA and XK, which are reserved or user-assigned but used by stores.
COUNTRIES = frozenset(
    """
    AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV
    BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET
    FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM
    IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD
    ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE
    PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST
    SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF
    WS XK YE YT ZA ZM ZW
    """.split()  # noqa: SIM905
)
# With the parts of member states that have codes of their own: Åland, and the outermost regions (Article 349 TFEU).
EU = frozenset(
    """
    AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK AX GF GP MF MQ RE YT
    """.split()  # noqa: SIM905
)
GROUPS: dict[str, frozenset[str]] = {"UK": frozenset({"GB"}), "EU": EU, "EEA": EU | {"IS", "LI", "NO"}}
STRICTNESS = ("not_unsubscribed", "opted_in")  # the later, the stricter

_OTHER_WORDS = {"UK": "GB", "EL": "GR"}


def is_place(code: str) -> bool:
    """Whether the configuration may name it: a country's code or a group, in capitals."""
    return code in COUNTRIES or code in GROUPS


def policy_for(country: str, consent: Mapping[str, str]) -> str:
    """The consent policy (R9) for a country: its own, else that of its smallest group, else `default`.

    A country that is not known takes the strictest policy configured.
    """
    code = _code(country)
    if code not in COUNTRIES:
        return max(consent.values(), key=STRICTNESS.index, default=STRICTNESS[0])
    groups = (name for name, members in GROUPS.items() if code in members)
    for key in (code, *groups, "default"):
        if key in consent:
            return consent[key]
    return STRICTNESS[0]


def country_in(country: str, places: Collection[str]) -> bool:
    """Whether a country is one of these codes or in one of these groups. An unknown country is in none."""
    code = _code(country)
    return any(code == place or code in GROUPS.get(place, ()) for place in places) if code else False


def _code(country: str) -> str:
    code = country.strip().upper()
    return _OTHER_WORDS.get(code, code)
