"""The end user's click on the connect page where Composio holds the access, and the way back.

The same attempt as for a provider's own consent: a state used once, bound to link and browser. The
account that the consent makes is kept in the attempt, so what the way back says of it is not heard.
"""

from hub.connect.attempts import SpentAttempt, begin_attempt, keep_answer
from hub.connect.models import ConnectSession
from hub.connect.provider_apps import provider_app_for
from hub.connect.sessions import actor_of_session
from integrations.errors import ConnectRefusedError
from integrations.http.composio import NAME
from integrations.models import Connection
from integrations.services.composio import connect_through_composio, link_to_consent
from integrations.services.connect_links import callback_url, offer_of
from integrations.services.connections import find_connection


def begin_through_composio(
    *, session: ConnectSession, provider: str, browser: str, display: str = "page"
) -> str:
    """Return the address of Composio's page for one click; the link is this browser's from now on.

    Raises:
        ConnectRefusedError: the link is another browser's, or not for this provider.
        AppRefusedError: Composio does not accept our key.
        RetryableError: Composio could not be asked.
    """
    offer = offer_of(session, provider)
    if not offer.through:
        said = f"{offer.provider.label} is connected in another way."
        raise ConnectRefusedError(said, "no_button", session.tenant_id)
    back = callback_url(provider)
    attempt, state = begin_attempt(
        session=session,
        app=provider_app_for(NAME, session.tenant),
        provider=provider,
        redirect_uri=back,
        scopes=[],
        verifier="",
        browser=browser,
        entered={},
        display=display,
    )
    link = link_to_consent(
        provider=provider,
        end_user=session.end_user,
        callback_url=f"{attempt.redirect_uri}?state={state}",
        actor=actor_of_session(session),
    )
    keep_answer(state=state, provider=provider, answer={"account": link.account})
    return link.url


def finish_through_composio(spent: SpentAttempt) -> Connection:
    """Return the connection to what was consented to, made now or reconnected.

    Raises:
        InvalidInputError: nobody has consented, or the account cannot be used.
        AccountChangedError: it opens another account than the link is for.
        AppRefusedError: Composio does not accept our key.
        RetryableError: Composio or the provider could not be asked.
    """
    attempt = spent.attempt
    return connect_through_composio(
        provider=attempt.provider,
        account=spent.answer.get("account", ""),
        connection=find_connection(attempt.session.connection_id),
        actor=actor_of_session(attempt.session),
    )
