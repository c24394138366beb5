"""Makes the modules of the worker importable as appd_worker.NAME, then runs it.

Their sources come on the command line, in the dict `sources`.
"""
import importlib.machinery
import linecache
import sys
import types


class Finder:
    """Finds and executes the modules of the package."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        package, _, module = name.partition(".")
        if package != "appd_worker" or module not in self.sources:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin="appd")

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        source = self.sources[module.__name__.partition(".")[2]]
        name = "<%s>" % module.__name__
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)


package = types.ModuleType("appd_worker")
package.__path__ = []
sys.modules["appd_worker"] = package
sys.meta_path.insert(0, Finder(sources))  # noqa: F821

from appd_worker import boot  # noqa: E402

boot.main()
