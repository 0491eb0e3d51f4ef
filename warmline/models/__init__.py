"""The nouns, one a file. Import them from here."""

from warmline.models.account import Account, LoginSession, Role
from warmline.models.alert import Alert
from warmline.models.apart import Apart, AskedBy
from warmline.models.base import Base
from warmline.models.caller import Caller
from warmline.models.contact import Channel, Contact
from warmline.models.engagement import Engagement
from warmline.models.event import Event
from warmline.models.handoff import Agreement, GivenTo, Handoff, HandoffOutcome, Warmth
from warmline.models.lease import Lease
from warmline.models.leg import Leg, LegKind
from warmline.models.line import Line, LineNumber
from warmline.models.message import Direction, Message
from warmline.models.offer import Offer
from warmline.models.organization import Organization
from warmline.models.outside import Callback, OutsideRequest, RequestKind
from warmline.models.peer import Peer, Presence, Shift
from warmline.models.referral import Referral
from warmline.models.report import Disposition, Reason, Report
from warmline.models.resource import Resource, ResourceKind, ResourceStatus
from warmline.models.survey import Survey

__all__ = [
    "Account", "Agreement", "Alert", "Apart", "AskedBy", "Base", "Callback", "Caller", "Channel", "Contact",
    "Direction", "Disposition", "Engagement", "Event", "GivenTo", "Handoff", "HandoffOutcome", "Lease", "Leg",
    "LegKind", "Line", "LineNumber", "LoginSession", "Message", "Offer", "Organization", "OutsideRequest", "Peer",
    "Presence", "Reason", "Referral", "Report", "RequestKind", "Resource", "ResourceKind", "ResourceStatus", "Role",
    "Shift", "Survey", "Warmth",
]  # fmt: skip
