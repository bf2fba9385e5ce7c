"""Hypothesis strategies: any message of either side, for round trips and byte-splits."""

from __future__ import annotations

from hypothesis import strategies as st

from proxy.wire import backend, frontend

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
name = text
data = st.binary(max_size=20)
values = st.lists(st.none() | data, max_size=5).map(tuple)
format_codes = st.lists(st.integers(0, 1), max_size=4).map(tuple)
oid = st.integers(0, 2**32 - 1)
oids = st.lists(oid, max_size=5).map(tuple)
int32 = st.integers(-(2**31), 2**31 - 1)
int16 = st.integers(-(2**15), 2**15 - 1)
uint16 = st.integers(0, 2**16 - 1)
cancel_key = st.binary(min_size=4, max_size=256)
target_kind = st.sampled_from([frontend.STATEMENT, frontend.PORTAL])
version = st.tuples(st.just(3), uint16)
field_code = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
sqlstate = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=5, max_size=5)


@st.composite
def binds(draw: st.DrawFn) -> frontend.Bind:
    """A Bind whose number of parameter formats fits its parameters."""
    parameters = draw(values)
    count = draw(st.sampled_from(sorted({0, 1, len(parameters)})))
    formats = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    return frontend.Bind(draw(name), draw(name), tuple(formats), parameters, draw(format_codes))


report_fields = st.builds(
    lambda extra, required: {**extra, **required},
    st.dictionaries(field_code, text, max_size=4),
    st.fixed_dictionaries({"S": text, "C": sqlstate, "M": text}),
)

session_messages: st.SearchStrategy[frontend.FrontendMessage] = st.one_of(
    st.builds(frontend.Query, text),
    st.builds(frontend.Parse, name, text, oids),
    binds(),
    st.builds(frontend.Describe, target_kind, name),
    st.builds(frontend.Close, target_kind, name),
    st.builds(frontend.Execute, name, st.integers(0, 2**31 - 1)),
    st.builds(frontend.Flush),
    st.builds(frontend.Sync),
)

copy_messages: st.SearchStrategy[frontend.FrontendMessage] = st.one_of(
    st.builds(frontend.CopyData, data),
    st.builds(frontend.CopyDone),
    st.builds(frontend.CopyFail, text),
)

function_calls = st.builds(frontend.FunctionCall, oid, format_codes, values, st.integers(0, 1))

password_messages = st.builds(frontend.PasswordMessage, text)
sasl_initial_responses = st.builds(frontend.SASLInitialResponse, text, st.none() | data)
sasl_responses = st.builds(frontend.SASLResponse, data)

startup_messages = st.builds(
    frontend.StartupMessage, version, st.dictionaries(text.filter(bool), text, max_size=6)
)
startup_packets = st.one_of(
    startup_messages,
    st.builds(frontend.SSLRequest),
    st.builds(frontend.GSSENCRequest),
    st.builds(frontend.CancelRequest, int32, cancel_key),
)

authentication_messages: st.SearchStrategy[backend.BackendMessage] = st.one_of(
    st.builds(backend.AuthenticationOk),
    st.builds(backend.AuthenticationCleartextPassword),
    st.builds(backend.AuthenticationSASL, st.lists(text.filter(bool), max_size=3).map(tuple)),
    st.builds(backend.AuthenticationSASLContinue, data),
    st.builds(backend.AuthenticationSASLFinal, data),
)

field_descriptions = st.builds(
    backend.FieldDescription, name, oid, int16, oid, int16, int32, st.integers(0, 1)
)

# Everything a server sends in a session, except rows and COPY data.
plain_backend_messages: st.SearchStrategy[backend.BackendMessage] = st.one_of(
    st.builds(backend.BackendKeyData, int32, cancel_key),
    st.builds(backend.ParameterStatus, text, text),
    st.builds(backend.ReadyForQuery, st.sampled_from([b"I", b"T", b"E"])),
    st.builds(backend.RowDescription, st.lists(field_descriptions, max_size=3).map(tuple)),
    st.builds(backend.CommandComplete, text),
    st.builds(backend.EmptyQueryResponse),
    st.builds(backend.ParseComplete),
    st.builds(backend.BindComplete),
    st.builds(backend.CloseComplete),
    st.builds(backend.NoData),
    st.builds(backend.PortalSuspended),
    st.builds(backend.ParameterDescription, oids),
    st.builds(backend.ErrorResponse, report_fields),
    st.builds(backend.NoticeResponse, report_fields),
    st.builds(backend.NotificationResponse, int32, text, text),
)
data_rows = st.builds(backend.DataRow, values)
copy_responses: st.SearchStrategy[backend.BackendMessage] = st.one_of(
    st.builds(backend.CopyOutResponse, st.integers(0, 1), format_codes),
    st.builds(backend.CopyInResponse, st.integers(0, 1), format_codes),
)
negotiations = st.builds(
    backend.NegotiateProtocolVersion,
    st.tuples(uint16, uint16),
    st.lists(text, max_size=3).map(tuple),
)
backend_messages = st.one_of(
    plain_backend_messages,
    authentication_messages,
    negotiations,
    data_rows,
    copy_responses,
    st.builds(backend.CopyData, data),
    st.builds(backend.CopyDone),
)
