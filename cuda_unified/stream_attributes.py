"""Attributes of streams: how they are waited for, what their kernels keep in the cache, which of them wait for whose memory."""

from __future__ import annotations

from cubind import driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._attributes import AccessPolicy
    from .stream import Stream

POLICIES, DOMAINS = "CU_SYNC_POLICY_", "CU_LAUNCH_MEM_SYNC_DOMAIN_"


def get(stream: Stream, name: str) -> Any:
    """The driver's record for an attribute, named as the driver does without CU_LAUNCH_ATTRIBUTE_."""
    with stream.context:
        return driver.cuStreamGetAttribute(stream.address, _id(name))


def put(stream: Stream, name: str, **fields: Any) -> None:
    """Sets an attribute to a record with these fields."""
    value = driver.CUstreamAttrValue()
    for field, content in fields.items():
        if isinstance(content, dict):
            for inner, item in content.items():
                setattr(getattr(value, field), inner, item)
        else:
            setattr(value, field, content)
    with stream.context:
        driver.cuStreamSetAttribute(stream.address, _id(name), value)


def _id(name: str) -> Any:
    return getattr(driver.CUstreamAttrID, f"CU_LAUNCH_ATTRIBUTE_{name}")


def word(member: Any, prefix: str) -> str:
    """The name of a member of an enum as this layer writes it."""
    return str(member.name).removeprefix(prefix).lower()


def get_access_policy(stream: Stream) -> AccessPolicy | None:
    """None: no window is set."""
    window = get(stream, "ACCESS_POLICY_WINDOW").accessPolicyWindow
    if not window.num_bytes:
        return None
    from ._attributes import AccessPolicy

    hit, miss = (word(p, "CU_ACCESS_PROPERTY_") for p in (window.hitProp, window.missProp))
    return AccessPolicy((int(window.base_ptr), window.num_bytes), window.hitRatio, hit, miss)
