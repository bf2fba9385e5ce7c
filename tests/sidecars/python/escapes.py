"""The corpus of escapes: what a hostile program tries, and the one way each may end.

`ends`: the exception's class, or several separated by `|`; `ok JSON` for a harmless value. `heavy`
cases need the packages.
"""

from __future__ import annotations

from dataclasses import dataclass

OS = "FileNotFoundError|PermissionError|OSError|NotADirectoryError|IsADirectoryError"
NO = "NotHere|OSError|AttributeError|PermissionError|FileNotFoundError"
LIMIT = "LimitReached"


@dataclass(frozen=True)
class Escape:
    """One attempt."""

    name: str
    code: str
    ends: str
    stdout: str = ""


FILES = [
    Escape("password file", "open('/etc/passwd').read()", OS),
    Escape("climbing", "open('../../../../../etc/passwd').read()", OS),
    Escape("climbing from a package", "open('/1/../../etc/passwd').read()", OS),
    Escape("climbing from the library", "open('/stdlib/../../../etc/hosts').read()", OS),
    Escape("process information", "open('/proc/self/environ').read()", OS),
    Escape("own memory", "open('/proc/self/mem', 'r+b')", OS),
    Escape("devices", "open('/dev/mem', 'rb').read(1)", OS),
    Escape("shared memory of the host", "import os; os.listdir('/dev/shm')", OS),
    Escape("root folder", "import os; os.listdir('/')", OS),
    Escape("write to the library", "open('/stdlib/os.py', 'w')", OS),
    Escape("write to the packages", "open('/1/evil.py', 'w')", OS),
    Escape("write to the exchange", "open('/exchange/x', 'w')", OS),
    Escape("remove the library", "import shutil; shutil.rmtree('/stdlib')", OS),
    Escape("rename out", "open('a', 'w').close()\nimport os; os.rename('a', '../a')", OS),
    Escape("absolute link", "import os; os.symlink('/etc/passwd', 'l'); open('l').read()", OS),
    Escape("relative link", "import os; os.symlink('../../etc/passwd', 'l'); open('l').read()", OS),
    Escape("link to the folder above", "import os; os.symlink('..', 'up'); os.listdir('up')", OS),
    Escape("hard link", "import os; os.link('/etc/passwd', 'h')", f"{OS}|NotHere"),
    Escape("open by descriptor", "import os; [os.fdopen(n).read() for n in range(3, 200)]", OS),
    Escape("write to descriptors", "import os; os.write(7, b'x')", OS),
    Escape("named pipe", "import os; os.mkfifo('p')", "AttributeError|OSError"),
    Escape(
        "archive that climbs",
        "import zipfile\nz = zipfile.ZipFile('a.zip', 'w'); z.writestr('../../evil', 'x'); z.close()\nzipfile.ZipFile('a.zip').extractall('.'); import os; sorted(os.listdir('.'))",
        'ok ["a.zip", "evil"]',
    ),
]

NETWORK = [
    Escape("socket", "import socket; socket.socket()", NO),
    Escape(
        "raw socket", "import _socket; _socket.socket(2, 1)", f"{NO}|ModuleNotFoundError|TypeError"
    ),
    Escape(
        "connect to loopback", "import socket; socket.create_connection(('127.0.0.1', 22), 1)", NO
    ),
    Escape(
        "metadata service",
        "import urllib.request as u; u.urlopen('http://169.254.169.254/', timeout=1)",
        f"{NO}|URLError|ModuleNotFoundError|ImportError",
    ),
    Escape("name lookup", "import socket; socket.getaddrinfo('example.com', 80)", NO),
    Escape("listen", "import socket; socket.create_server(('', 8000))", NO),
    Escape(
        "event loop with sockets",
        "import asyncio\nasync def f():\n    await asyncio.open_connection('127.0.0.1', 22)\nasyncio.run(f())",
        f"{NO}|RuntimeError|NotImplementedError",
    ),
    Escape(
        "http client",
        "import http.client; http.client.HTTPConnection('127.0.0.1').request('GET', '/')",
        f"{NO}|ModuleNotFoundError",
    ),
    Escape("call http", "http('https://example.com')", "CallRefused"),
]

NATIVE = [
    Escape("ctypes", "import ctypes", "ModuleNotFoundError"),
    Escape("ctypes' core", "import _ctypes", "ModuleNotFoundError"),
    Escape("mapped memory", "import mmap; mmap.mmap(-1, 100)", "OSError|ModuleNotFoundError"),
    Escape("subprocess", "import subprocess; subprocess.run(['id'])", NO),
    Escape("shell", "import os; os.system('id')", NO),
    Escape("popen", "import os; os.popen('id').read()", NO),
    Escape("fork", "import os; os.fork()", NO),
    Escape("exec", "import os; os.execv('/bin/sh', ['sh'])", NO),
    Escape("signal to the parent", "import os; os.kill(1, 9)", NO),
    Escape("threads", "import threading; threading.Thread(target=print).start()", "NotHere|RuntimeError"),
    Escape("raw thread", "import _thread; _thread.start_new_thread(print, ())", "RuntimeError|ModuleNotFoundError|OSError"),
    Escape("processes", "import multiprocessing; multiprocessing.Process(target=print).start()", f"{NO}|ImportError|ModuleNotFoundError"),
    Escape("install packages", "import pip", "ModuleNotFoundError"),
    Escape("ensurepip", "import ensurepip; ensurepip.bootstrap()", f"{NO}|ModuleNotFoundError|ImportError|LimitReached"),
    Escape("extension from a file", "import importlib.machinery as m, importlib.util as u\nopen('x.so', 'wb').write(b'\\0asm\\1\\0\\0\\0')\ns = u.spec_from_file_location('x', 'x.so', loader=m.ExtensionFileLoader('x', '/work/x.so'))\nu.module_from_spec(s)", "ImportError|AttributeError|LimitReached|SandboxTrap|SystemError"),
    Escape("import hook", "import sys\nclass F:\n    def find_spec(self, *a): open('/etc/passwd')\nsys.meta_path.insert(0, F())\nimport nothing_here", OS),
    Escape("module from the work folder", "open('evil.py', 'w').write('x = 41')\nimport sys; sys.path.append('/work'); import evil; evil.x + 1", "ok 42"),
]  # fmt: skip

INSIDE = [
    Escape("environment", "import os; dict(os.environ)", "ok {}"),
    Escape("arguments of the process", "import sys; [a for a in sys.argv if 'worker' in a]", "ok []"),
    Escape("secrets in memory", "import gc; [s for s in gc.get_objects() if isinstance(s, str) and 'eyJ' in s]", "ok []"),
    Escape("frames above", "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\nsorted(f.f_globals)[:1]; open('/etc/passwd')", OS),
    Escape("replace the host's functions", "from wit_world.imports import host\nhost.call('shell', '{}')", "Err|CallRefused"),
    Escape("host call with broken JSON", "from wit_world.imports import host\nhost.call('query', '[1')", "Err|CallRefused"),
    Escape("host call with deep JSON", "from wit_world.imports import host\nhost.call('query', '[' * 100000)", "Err|CallRefused"),
    Escape("host call with a number", "from wit_world.imports import host\nhost.call(1, 2)", "TypeError|AssertionError|SandboxTrap|AttributeError|SystemError"),
    Escape("emit to another channel", "from wit_world.imports import host\nhost.emit(99, 'hello')", "ok null"),
    Escape("emit half a character", "print('\\ud800')", "ok null", "?"),
    Escape("patch the builtins", "import builtins\nbuiltins.open = None\n1", "ok 1"),
    Escape("close the output", "import sys; sys.stdout.close(); sys.stdout = None\n1", "ok 1"),
    Escape("value that lies", "class V:\n    def __repr__(self): raise SystemExit(3)\nV()", "SystemExit"),
    Escape("value that never ends", "class V:\n    def __repr__(self):\n        while True: pass\nV()", LIMIT),
    Escape("pickle", "import pickle\nclass P:\n    def __reduce__(self): return eval, (\"open('/etc/passwd')\",)\npickle.loads(pickle.dumps(P()))", f"{OS}|PicklingError|AttributeError"),
    Escape("marshalled code", "import marshal\nexec(marshal.loads(marshal.dumps(compile(\"open('/etc/passwd')\", 'x', 'exec'))))", OS),
    Escape("code object made by hand", "def f(): pass\nf.__code__ = f.__code__.replace(co_code=b'\\xff' * 400)\nf()", "SandboxTrap|SystemError|LimitReached|RecursionError|MemoryError"),
    Escape("exit", "import os; os._exit(0)", "SandboxTrap|SystemExit|Killed"),
    Escape("abort", "import os; os.abort()", "SandboxTrap|Killed|NotHere|AttributeError"),
    Escape("exception that lies", "class E(Exception):\n    def __str__(self): raise MemoryError\nraise E", "E"),
    Escape("exit without a word", "raise SystemExit", "ok null"),
]  # fmt: skip

EXHAUSTION = [
    Escape("endless loop", "while True: pass", LIMIT),
    Escape("endless loop that catches all", "while True:\n    try:\n        while True: pass\n    except BaseException: pass", LIMIT),
    Escape("sleep", "import time; time.sleep(3600)", LIMIT),
    Escape("loop in C: sum", "sum(iter(int, 1))", LIMIT),
    Escape("loop in C: big power", "len(str(7 ** (10 ** 9)))", f"{LIMIT}|MemoryError"),
    Escape("regular expression", "import re; re.match('(a+)+$', 'a' * 60 + 'b')", LIMIT),
    Escape("memory", "x = []\nwhile True: x.append(bytearray(10 ** 7))", f"MemoryError|SandboxTrap|{LIMIT}"),
    Escape("memory at once", "bytearray(3 * 10 ** 9)", "MemoryError|OverflowError"),
    Escape("memory by text", "'x' * (2 ** 31 - 1)", "MemoryError|OverflowError"),
    Escape("many small objects", "x = None\nwhile True: x = [x]", f"MemoryError|{LIMIT}|SandboxTrap"),
    Escape("recursion", "def f(n): return f(n + 1)\nf(0)", f"RecursionError|{LIMIT}"),
    Escape("recursion without a limit", "import sys; sys.setrecursionlimit(10 ** 9)\ndef f(n): return f(n + 1)\nf(0)", f"RecursionError|MemoryError|SandboxTrap|{LIMIT}"),
    Escape("nested text", "eval('(' * 10000 + ')' * 10000)", "MemoryError|SyntaxError|RecursionError"),
    Escape("deep structure", "x = []\nfor _ in range(100000): x = [x]\nrepr(x)", f"RecursionError|MemoryError|{LIMIT}"),
    Escape("output", "while True: print('x' * 10000)", LIMIT),
    Escape("output to the error channel", "import sys\nwhile True: sys.stderr.write('x' * 10000)", LIMIT),
    Escape("one large file", "f = open('big', 'wb')\nfor _ in range(300): f.write(b'x' * 10 ** 6)", f"OSError|{LIMIT}"),
    Escape("many files", "for n in range(100000): open(str(n), 'w').close()", f"OSError|{LIMIT}"),
    Escape("many folders", "import os\nfor n in range(100000): os.makedirs(f'{n}/a/b')", f"OSError|{LIMIT}"),
    Escape("archive bomb", "import zlib, io\nd = zlib.decompressobj()\nblob = zlib.compress(bytes(10 ** 8), 9)\nx = [zlib.decompress(blob) for _ in range(100)]", f"MemoryError|{LIMIT}"),
    Escape("host calls", "while True:\n    try: query('select 1')\n    except Exception: pass", LIMIT),
    Escape("hash collisions", "k = [n * (2 ** 31 - 1) for n in range(10 ** 7)]\n{a: 1 for a in k}; 1", f"MemoryError|{LIMIT}|ok 1"),
]  # fmt: skip

ESCAPES = [*FILES, *NETWORK, *NATIVE, *INSIDE, *EXHAUSTION]
