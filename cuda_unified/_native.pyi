"""The types and functions of src/: what programs see of them is described where Python adds to them."""

from typing import Any

from cubind import driver

# ---- kernel.c

class Kernel:
    @staticmethod
    def _make(handle: int, name: str | None, owner: object, is_function: bool = False) -> Any: ...
    def _mark_closed(self) -> None: ...
    def _parameters(self) -> tuple[tuple[int, int, str], ...] | None: ...
    def bind(self, stream: Any, config: Any, /, *args: Any) -> Any: ...
    def __getitem__(self, key: Any) -> Any: ...
    @property
    def owner(self) -> Any: ...
    @property
    def is_function(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def address(self) -> int: ...
    @property
    def name(self) -> str: ...

# ---- config.c

Dimensions = int | tuple[int, ...] | list[int]

class LaunchConfig:
    def __new__(
        cls,
        grid: Dimensions,
        block: Dimensions,
        shared_memory: int = 0,
        *,
        cluster: Dimensions | None = None,
        cooperative: bool = False,
        programmatic_dependent: bool = False,
        priority: int | None = None,
        access_policy: Any = None,
        preferred_cluster: Dimensions | None = None,
        cluster_scheduling_policy: str | driver.CUclusterSchedulingPolicy | None = None,
        portable_cluster_size_mode: str | driver.CUlaunchAttributePortableClusterMode | None = None,
        programmatic_event: Any = None,
        launch_completion_event: Any = None,
        memory_sync_domain: str | driver.CUlaunchMemSyncDomain | None = None,
        memory_sync_domain_map: tuple[int, int] | None = None,
        shared_memory_carveout: int | None = None,
        shared_memory_mode: str | driver.CUsharedMemoryMode | None = None,
        nvlink_centric_scheduling: bool = False,
    ) -> Any: ...
    @property
    def grid(self) -> tuple[int, int, int]: ...
    @property
    def block(self) -> tuple[int, int, int]: ...
    @property
    def shared_memory(self) -> int: ...
    @property
    def _attributes(self) -> tuple[tuple[str, Any], ...]: ...
    @property
    def _attribute_bytes(self) -> bytes: ...

# ---- launch.c

class Launcher:
    def __call__(self, *args: Any) -> None: ...
    def set(self, index: int, value: Any, /) -> None: ...
    @property
    def kernel(self) -> Any: ...
    @property
    def config(self) -> Any: ...
    @property
    def stream(self) -> Any: ...
    @property
    def arguments(self) -> tuple[Any, ...] | None: ...

def launch(stream: Any, config: Any, kernel: Any, /, *args: Any) -> None: ...

# ---- what is not described here yet
def __getattr__(name: str) -> Any: ...
