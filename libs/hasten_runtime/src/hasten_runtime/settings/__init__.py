"""Settings of a service: TOML file < environment < flags, checked as a whole before the start.

A typing mistake stops the start, wherever it is: an unknown key of the file, an unknown
variable with the service's prefix, an unknown flag, a value out of range.
"""

from hasten_runtime.settings.base import CommaSeparated, ServiceSettings, SettingsGroup
from hasten_runtime.settings.groups import (
    MIB,
    ConnectionAge,
    DiscoverySettings,
    FrontSettings,
    GrpcSettings,
    HostPort,
    HostPortOrNone,
    PendingMax,
    PendingSoft,
    PingTimeout,
    TelemetrySettings,
)
from hasten_runtime.settings.loading import SettingsFault, load, read
from hasten_runtime.settings.policy import (
    BundleName,
    PolicyGroup,
    policy_group,
    with_bundle,
)

__all__ = [
    "MIB",
    "BundleName",
    "CommaSeparated",
    "ConnectionAge",
    "DiscoverySettings",
    "FrontSettings",
    "GrpcSettings",
    "HostPort",
    "HostPortOrNone",
    "PendingMax",
    "PendingSoft",
    "PingTimeout",
    "PolicyGroup",
    "ServiceSettings",
    "SettingsFault",
    "SettingsGroup",
    "TelemetrySettings",
    "load",
    "policy_group",
    "read",
    "with_bundle",
]
