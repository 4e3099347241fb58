"""Hypothesis strategies for values, shared by the tests of their codecs."""

from hypothesis import settings
from hypothesis import strategies as st

from identifiers.hs_admin import Admin, encode_admin
from identifiers.hs_key import DSAKey, RSAKey, encode_key
from identifiers.hs_site import Interface, Server, Site, encode_site
from identifiers.hs_vlist import encode_references
from identifiers.values import INDEX_MAX, U4_MAX, Reference, Value

# The machines tests run on are shared: how long an example takes says nothing about the code.
settings.register_profile("no deadline", deadline=None, max_examples=60)
settings.load_profile("no deadline")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
u4 = st.integers(0, U4_MAX)
references = st.builds(Reference, handle=texts, index=u4)
types = st.one_of(
    st.sampled_from(["URL", "NAME", "DESC", "HS_ALIAS", "hs_serv"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(lambda t: t[-1] != "."),
)

admin_data = st.builds(Admin, texts, u4, st.integers(0, 0x1FFF), st.booleans()).map(encode_admin)
vlist_data = st.lists(references, max_size=4).map(tuple).map(encode_references)
numbers = st.integers(1, 2**2048)
key_data = st.one_of(
    st.builds(RSAKey, n=numbers, e=numbers), st.builds(DSAKey, y=numbers, p=numbers, q=numbers, g=numbers)
).map(encode_key)
addresses = st.one_of(st.binary(min_size=16, max_size=16), st.binary(min_size=4, max_size=4).map(bytes(12).__add__))
interfaces = st.builds(Interface, kind=st.integers(0, 3), protocol=st.integers(0, 255), port=u4)
servers = st.builds(
    Server,
    id=u4,
    address=addresses,
    public_key=st.one_of(key_data, st.binary(max_size=20)),
    interfaces=st.lists(interfaces, max_size=3).map(tuple),
)
sites = st.builds(
    Site,
    serial=st.integers(0, 0xFFFF),
    mask=st.sampled_from([0, 0x40, 0x80, 0xC0]),
    servers=st.lists(servers, max_size=2).map(tuple),
    attributes=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    protocol_version=st.tuples(st.integers(0, 255), st.integers(0, 255)),
    hash_option=st.integers(0, 255),
    hash_filter=texts.map(str.encode),
    format_version=st.integers(0, 0xFFFF),
)
structured = st.one_of(
    st.tuples(st.sampled_from(["HS_ADMIN", "hs_admin"]), admin_data),
    st.tuples(st.just("HS_VLIST"), vlist_data),
    st.tuples(st.sampled_from(["HS_SITE", "HS_SITE.PREFIX", "HS_SITE.6", "HS_NA_DELEGATE"]), sites.map(encode_site)),
    st.tuples(st.just("HS_PUBKEY"), st.one_of(key_data, st.binary(max_size=40))),
)
plain = st.tuples(types, st.one_of(texts.map(str.encode), st.binary(max_size=40)))


@st.composite
def records(draw: st.DrawFn) -> tuple[Value, ...]:
    """Draw the values of a record: any index order is drawn, ascending order returned."""
    indexes = draw(st.lists(st.integers(1, INDEX_MAX), unique=True, max_size=5))
    return tuple(draw(_value(index)) for index in sorted(indexes))


@st.composite
def _value(draw: st.DrawFn, index: int) -> Value:
    type_, data = draw(st.one_of(plain, structured))
    return Value(
        index,
        type_,
        data,
        draw(st.integers(0, 15)),
        draw(u4),
        draw(st.booleans()),
        draw(u4),
        tuple(draw(st.lists(references, max_size=2))),
    )
