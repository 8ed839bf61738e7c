"""A filter on a fake source, and what OBS does to it."""

from fake_libobs import FakeLibObs, FakeSource

from cleanplate.obs import registration
from cleanplate.obs.settings import Settings
from cleanplate.obs.source import FilterSource


class FilterUnderTest:
    """A filter on a fake source, and what OBS does to it."""

    def __init__(self, lib: FakeLibObs, source: FakeSource | None, **settings: object) -> None:
        self.lib = lib
        self.own, self.data = lib.add_filter(settings, source)
        self.target = lib.targets[self.own]
        Settings.set_defaults(lib, self.data)
        self.filter = FilterSource(lib, self.own, self.data, "some.effect", 7, registration._trampolines)
        lib.filter_of[self.target] = self.own, self.filter.video_render

    def frame(self) -> None:
        """One frame of OBS."""
        self.filter.video_tick()
        self.lib.draws.clear()
        self.show()

    def show(self) -> None:
        """Draw the source once, as OBS does wherever it is shown."""
        self.lib.enter()
        self.lib.obs_source_video_render(self.target)
        self.lib.leave()

    def configure(self, **settings: object) -> None:
        """Change settings as the dialog does."""
        self.lib.settings[self.data].update(settings)
        self.filter.update(self.data)

    def shown(self) -> list[str]:
        """Techniques that drew to the screen in the last frame."""
        return [draw.technique for draw in self.lib.on_screen()]


class MakeFilter:
    """Makes filters, and destroys them at the end of the test."""

    def __init__(self, lib: FakeLibObs) -> None:
        self._lib = lib
        self._made: list[FilterUnderTest] = []

    def __call__(self, source: FakeSource | None = None, **settings: object) -> FilterUnderTest:
        made = FilterUnderTest(self._lib, source, **settings)
        self._made.append(made)
        return made

    def destroy(self, made: FilterUnderTest) -> None:
        """Destroy one now."""
        self._made.remove(made)
        made.filter.destroy()

    def destroy_all(self) -> None:
        """Destroy what is left."""
        for made in list(self._made):
            self.destroy(made)
