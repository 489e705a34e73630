"""Chromium without a window, driven over a pipe by its DevTools protocol; nothing but the standard library."""
import json
import os
import select
import subprocess
import time


class Browser:
    def __init__(self, profile):
        from_me, self.out = os.pipe()
        self.into, to_me = os.pipe()

        def descriptors():              # Chromium reads from 3 and writes to 4
            a, b = os.dup(from_me), os.dup(to_me)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + profile, "--disable-gpu",
             "--no-first-run", "--window-size=1280,1000", "--hide-scrollbars", "--disable-dev-shm-usage", "--disable-background-networking",
             "--no-sandbox"],           # which root and containers do not have; it shows our own page
            preexec_fn=descriptors, close_fds=False, stdout=subprocess.DEVNULL, stderr=open(profile + ".log", "w"))
        os.close(from_me)
        os.close(to_me)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def receive(self):
        while b"\0" not in self.buffer:
            assert select.select([self.into], [], [], 60)[0], "the browser says nothing"
            data = os.read(self.into, 1 << 20)
            assert data, "the browser ended"
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.events.append(answer)

    def open(self, path):
        """Loads a file; seconds until its load event."""
        self.events.clear()
        begin = time.monotonic()
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.receive())
        return time.monotonic() - begin

    def work(self):
        """Seconds of processor time that all processes of the browser have used: what a busy machine does not change."""
        parent, ticks = {}, {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid) as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:             # it has ended meanwhile
                continue
            parent[int(pid)], ticks[int(pid)] = int(fields[1]), int(fields[11]) + int(fields[12])
        total = 0
        for pid in ticks:
            above = pid
            while above in parent and above != self.process.pid:
                above = parent[above]
            total += ticks[pid] if above == self.process.pid else 0
        return total / os.sysconf("SC_CLK_TCK")

    def js(self, expression):
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in r, (expression, r["exceptionDetails"])
        return r["result"].get("value")

    def comes(self, expression, value):
        """Whether it has that value, now or soon: what keys do happens in a task of its own."""
        end = time.monotonic() + 20
        while self.js(expression) != value:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def key(self, name, code, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code,
                      **({"text": text} if text and kind == "keyDown" else {}))

    def complaints(self):
        """What the page wrote to the console, threw, or asked of anything but its own file."""
        self.js("0")
        found = []
        for e in self.events:
            if e.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                found.append(e)
            if e.get("method") == "Network.requestWillBeSent":
                url = e["params"]["request"]["url"]
                if not url.startswith("data:") and e["params"].get("type") != "Document":
                    found.append(url)
        return found

    def close(self):
        self.call("Browser.close")
        self.process.wait(30)
