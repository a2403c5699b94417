"""Three brokers and one controller; leader changes, failures, diverging histories.
usage: KAFKA_LIBS=<jars> WORK=<scratch> python3 rep.py public|heldout OUT [scenario]
needs kit.py of ../../damage/make"""
import os, re, shutil, signal, socket, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "damage", "make"))
from kit import *

SET, OUT = sys.argv[1], sys.argv[2]
SEED = 1 if SET == "public" else 2
CODEC = "none" if SET == "public" else "lz4"
IDEMP = "false" if SET == "public" else "true"
CLUSTER = {1: "cmVwbGljYXMtb25lLTAwMQ", 2: "cmVwbGljYXMtdHdvLTAwMg"}[SEED]
P0 = int(os.environ.get("PORT", "39092"))
BROKER = """process.roles=broker
node.id={n}
controller.quorum.voters=100@127.0.0.1:{cport}
listeners=PLAINTEXT://127.0.0.1:{port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={dirs}
metadata.log.dir={meta}
auto.create.topics.enable=false
num.network.threads=1
num.io.threads=2
log.cleaner.dedupe.buffer.size=4194304
replica.lag.time.max.ms=2500
replica.fetch.wait.max.ms=100
replica.fetch.backoff.ms=200
broker.session.timeout.ms={sess}
broker.heartbeat.interval.ms=300
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
"""
CONTROLLER = """process.roles=controller
node.id=100
controller.quorum.voters=100@127.0.0.1:{cport}
listeners=CONTROLLER://127.0.0.1:{cport}
controller.listener.names=CONTROLLER
log.dirs={meta}
"""
CFG = "internal.segment.bytes=4096;segment.index.bytes=512;index.interval.bytes=300;retention.ms=-1;segment.ms=3153600000000"


class Cluster:
    def __init__(self, name, topic, sess=2000):
        self.w = os.path.join(WORK, "rep-" + name)
        shutil.rmtree(self.w, ignore_errors=True)
        os.makedirs(self.w)
        self.name, self.topic, self.sess = name, topic, sess
        self.c = Broker(self.w + "/c", P0, [self.w + "/c/data"], self.w + "/c/data", props=CONTROLLER.replace("{cport}", str(P0)), debug=False)
        self.c.format(CLUSTER)
        self.b = {}
        for n in (1, 2, 3):
            pr = BROKER.replace("{n}", str(n)).replace("{cport}", str(P0)).replace("{sess}", str(sess))
            self.b[n] = Broker(self.w + "/%d" % n, P0 + n, [self.w + "/%d/data" % n], self.w + "/%d/meta" % n, props=pr, debug=False)
            self.b[n].format(CLUSTER)
        self.rig = Rig("Rep")
        self.bs = ",".join("127.0.0.1:%d" % (P0 + n) for n in (1, 2, 3))
        self.out = os.path.join(OUT, name)
        shutil.rmtree(self.out, ignore_errors=True)
        os.makedirs(self.out)
        self.acks = os.path.join(self.out, "acked.jsonl")
        self.n, self.events, self.stages = 0, [], {}
        self.t0 = time.time()
        assert self.c.start(), rd(self.c.err)[-1500:]
        for n in self.b:
            self.b[n].start(background=True)
        for n in self.b:
            assert self.b[n].wait(), rd(self.b[n].err)[-1500:]

    def ev(self, s):
        self.events.append({"t": round(time.time() - self.t0, 2), "what": s})
        print(self.name, s, flush=True)

    def create(self, replicas="1,2,3", cfg=""):
        r = self.rig("create", self.bs, self.topic, replicas, CFG + cfg)
        assert r["ok"], r
        self.wait(lambda s: s.get("leader", -1) > 0 and len(s.get("isr", [])) == len(replicas.split(",")))

    def state(self):
        return self.rig("state", self.bs, self.topic)

    def wait(self, f, t=25):
        end = time.time() + t
        s = {}
        while time.time() < end:
            s = self.state()
            try:
                if f(s):
                    return s
            except Exception:
                pass
            time.sleep(0.15)
        raise RuntimeError("timeout " + str(s))

    def produce(self, phase, batches, acks="all", pause=0, delivery=10000, rig=None, idem=None, codec=None):
        r = (rig or self.rig)("produce", self.bs, self.topic, acks, batches, self.n, SEED * 100 + self.n, codec or CODEC, phase, self.acks, pause, delivery, (IDEMP if acks == "all" else "false") if idem is None else idem)
        assert r.get("ok"), r
        self.n = r["next"]
        self.ev("produced %s acks=%s: %d acked, %d not" % (phase, acks, r["acked"], r["failed"]))
        return r

    def kill(self, n):
        self.b[n].kill()
        self.ev("SIGKILL of node %d" % n)

    def stop(self, n):
        self.b[n].stop()
        self.ev("clean stop of node %d" % n)

    def start(self, n):
        assert self.b[n].start(), rd(self.b[n].err)[-1500:]
        self.ev("start of node %d" % n)

    def full(self):
        s = self.wait(lambda s: len(s["isr"]) == 3 and s["leader"] > 0)
        time.sleep(0.6)
        return self.state()

    def alive(self, n):
        return self.b[n].p is not None and self.b[n].p.poll() is None

    def save(self, stage, note):
        s = None
        try:
            s = self.state()
        except Exception:
            pass
        nodes = {}
        for n in self.b:
            d = os.path.join(self.w, str(n), "data")
            t = {f: x for f, x in tree(d).items() if not f.startswith("__")}
            for f, x in t.items():
                p = os.path.join(self.out, "dirs", stage, str(n), f)
                os.makedirs(os.path.dirname(p), exist_ok=True)
                wr(p, x)
            nodes[n] = self.describe(t, n)
        self.stages[stage] = {"note": note, "admin_client": s, "nodes": nodes, "divergence": self.diverge(stage), "files": self.compare(stage)}
        self.ev("saved stage " + stage)

    def batches(self, stage, n):
        d = os.path.join(self.out, "dirs", stage, str(n), self.topic + "-0")
        out = []
        if os.path.isdir(d):
            for f in logs(d):
                out += walk(rd(os.path.join(d, f)))
        return out

    def describe(self, t, n):
        pn = self.topic + "-0/"
        bs = []
        for f in sorted(x for x in t if x.startswith(pn) and x.endswith(".log")):
            bs += walk(t[f])

        def ck(nm):
            for l in t.get(nm, b"").decode().split("\n")[2:]:
                x = l.split()
                if len(x) == 3 and x[0] == self.topic:
                    return int(x[2])
            return None
        ep = [list(map(int, l.split())) for l in t.get(pn + "leader-epoch-checkpoint", b"").decode().split("\n")[2:] if l]
        be = []
        for b in bs:
            if not be or be[-1][0] != b.epoch:
                be.append([b.epoch, b.base])
        return {"running": self.alive(n), "clean_marker": ".kafka_cleanshutdown" in t, "log_end": bs[-1].last + 1 if bs else 0, "batches": len(bs), "records": sum(b.count for b in bs if not b.control),
                "high_watermark_checkpoint": ck("replication-offset-checkpoint"), "recovery_point_checkpoint": ck("recovery-point-offset-checkpoint"),
                "leader_epochs": [{"epoch": e, "start_offset": o} for e, o in ep], "epochs_in_batches": [{"epoch": e, "start_offset": o} for e, o in be],
                "segments": sorted(int(os.path.basename(f)[:20]) for f in t if f.startswith(pn) and f.endswith(".log"))}

    def diverge(self, stage):
        res = []
        bb = {n: self.batches(stage, n) for n in (1, 2, 3)}
        for a, b in ((1, 2), (1, 3), (2, 3)):
            x, y = bb[a], bb[b]
            i = 0
            while i < min(len(x), len(y)) and x[i].raw == y[i].raw:
                i += 1
            ex, ey = (x[-1].last + 1 if x else 0), (y[-1].last + 1 if y else 0)
            common = x[i - 1].last + 1 if i else 0
            kind = "identical" if i == len(x) == len(y) else "prefix" if i == min(len(x), len(y)) else "diverged"
            res.append({"nodes": [a, b], "kind": kind, "common_until_offset": common, "log_ends": [ex, ey],
                        "first_difference_offset": None if kind == "identical" else common,
                        "at_difference": None if kind != "diverged" else [{"epoch": z[i].epoch, "base_offset": z[i].base, "last_offset": z[i].last} for z in (x, y)]})
        return res

    def compare(self, stage):
        t = {n: tree(os.path.join(self.out, "dirs", stage, str(n))) for n in (1, 2, 3)}
        rows = []
        for f in sorted(set().union(*t.values())):
            h = [sha(t[n][f])[:12] if f in t[n] else None for n in (1, 2, 3)]
            rows.append({"file": f, "same_on_all": len(set(h)) == 1 and None not in h, "sizes": [len(t[n][f]) if f in t[n] else None for n in (1, 2, 3)], "hash": h})
        return [r for r in rows if not r["same_on_all"]] + [{"same_on_all": [r["file"] for r in rows if r["same_on_all"]]}]

    def finish(self, **more):
        acked = [json.loads(l) for l in open(self.acks)] if os.path.exists(self.acks) else []
        last = list(self.stages)[-1]
        final = {}
        lead = (self.stages[last]["admin_client"] or {}).get("leader") or 1
        vals = {}
        import_vals(os.path.join(self.out, "dirs", last, str(lead), self.topic + "-0"), vals, CODEC)
        lost = [a for a in acked if a.get("acked") and vals.get(a["offset"]) != a["value"]]
        unknown = [a for a in acked if not a.get("acked")]
        got = [a for a in unknown if a["value"] in set(vals.values())]
        truth = {"scenario": self.name, "set": SET, "kafka": "4.4.0", "topic": self.topic, "cluster_id": CLUSTER, "codec": CODEC, "nodes": [1, 2, 3], "events": self.events, "stages": self.stages,
                 "acked": {"records": sum(1 for a in acked if a.get("acked")), "by_acks": {k: sum(1 for a in acked if a.get("acked") and a["acks"] == k) for k in ("all", "1", "0")}, "not_acked": len(unknown)},
                 "final_stage": last, "final_leader": lead,
                 "acked_but_lost": {"count": len(lost), "by_acks": {k: sum(1 for a in lost if a["acks"] == k) for k in ("all", "1")}, "by_phase": {p: sum(1 for a in lost if a["phase"] == p) for p in sorted({a["phase"] for a in lost})},
                                    "offsets": [min((a["offset"] for a in lost), default=None), max((a["offset"] for a in lost), default=None)]},
                 "not_acked_but_present": len(got)}
        truth.update(more)
        with open(os.path.join(self.out, "truth.json"), "w") as f:
            json.dump(truth, f, indent=1)
            f.write("\n")
        print(self.name, "acked", truth["acked"], "lost", truth["acked_but_lost"], "not acked but present", len(got), flush=True)
        for n in self.b:
            if self.alive(n):
                self.b[n].kill()
        self.c.kill()
        self.rig.quit()


def varint(b, p):
    r = s = 0
    while True:
        x = b[p]
        p += 1
        r |= (x & 127) << s
        s += 7
        if x < 128:
            return (r >> 1) ^ -(r & 1), p


def import_vals(d, vals, codec):
    """offset -> value; compressed batches are read through the tool of Kafka"""
    if not os.path.isdir(d):
        return
    if codec != "none":
        for f in logs(d):
            r = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", CP, "org.apache.kafka.tools.DumpLogSegments", "--print-data-log", "--files", os.path.join(d, f)], stdout=subprocess.PIPE)
            for m in re.finditer(r"\| offset: (\d+) .*payload: (\S*)", r.stdout.decode()):
                vals[int(m.group(1))] = m.group(2)
        return
    for f in logs(d):
        for b in walk(rd(os.path.join(d, f))):
            if b.control:
                continue
            p, raw = 61, b.raw
            for _ in range(b.count):
                ln, p = varint(raw, p)
                q = p + 1
                _, q = varint(raw, q)
                od, q = varint(raw, q)
                kl, q = varint(raw, q)
                q += max(kl, 0)
                vl, q = varint(raw, q)
                vals[b.base + od] = raw[q:q + max(vl, 0)].decode()
                p += ln


def other(n, k=1):
    return (n - 1 + k) % 3 + 1


def leader_changes():
    c = Cluster("leader-changes", "orders")
    c.create("1,2,3")
    c.produce("A", 25)
    l = c.full()["leader"]
    c.stop(l)
    c.wait(lambda s: s["leader"] not in (-1, l))
    c.produce("B", 14)
    c.start(l)
    c.full()
    c.ev("preferred election: %s" % c.rig("elect", c.bs, c.topic, "PREFERRED"))
    c.wait(lambda s: s["leader"] == 1)
    c.produce("C", 14)
    c.rig("reassign", c.bs, c.topic, "3,2,1")
    c.ev("replica order changed to 3,2,1; preferred election: %s" % c.rig("elect", c.bs, c.topic, "PREFERRED"))
    c.wait(lambda s: s["leader"] == 3)
    c.produce("D", 12)
    c.full()
    c.kill(3)
    c.wait(lambda s: s["leader"] in (1, 2))
    c.produce("E", 12)
    c.start(3)
    c.full()
    time.sleep(5.5)  # high watermark checkpoint
    c.save("running", "three replicas in sync, nothing is being produced; copied from the running brokers")
    for n in (1, 2, 3):
        c.stop(n)
    c.save("stopped", "after a clean stop of all, one after the other (the later ones became leader on the way)")
    c.finish()


def follower_failure():
    c = Cluster("follower-failure", "orders")
    c.create("1,2,3" if SEED == 1 else "2,3,1")
    lead = c.produce("A", 20) and c.full()["leader"]
    f = other(lead, 2 if SEED == 1 else 1)
    r2 = Rig("Rep")
    t = threading.Thread(target=lambda: c.produce("B", 40, pause=30, rig=r2))
    t.start()
    time.sleep(0.7)
    c.kill(f)
    t.join()
    c.wait(lambda s: len(s["isr"]) == 2)
    c.produce("C", 15)
    time.sleep(0.5)
    c.save("before-return", "node %d was killed while records were produced with acks=all; the leader %d went on with an ISR of two" % (f, lead))
    c.start(f)
    c.full()
    time.sleep(5.5)
    c.save("after-return", "node %d is back in the ISR" % f)
    r2.quit()
    c.finish(leader=lead, failed_follower=f)


def leader_failure():
    for attempt in range(4):
        c = Cluster("leader-failure", "orders", sess=7000)
        c.create("1,2,3" if SEED == 1 else "3,1,2")
        c.produce("A", 22)
        lead = c.full()["leader"]
        fs = [n for n in (1, 2, 3) if n != lead]
        for n in fs:
            c.b[n].p.send_signal(signal.SIGSTOP)
        c.ev("SIGSTOP of the followers %s" % fs)
        time.sleep(0.2)
        c.produce("B", 12, acks="1", delivery=1500)
        c.kill(lead)
        for n in fs:
            c.b[n].p.send_signal(signal.SIGCONT)
        c.ev("SIGCONT of the followers")
        c.wait(lambda s: s["leader"] in fs)
        s = c.state()
        c.ev("new leader %s" % s)
        c.produce("C", 14)
        time.sleep(0.5)
        c.save("old-leader-down", "the old leader %d has a tail that nobody else has; the new one wrote other records at the same offsets" % lead)
        c.start(lead)
        c.full()
        time.sleep(5.5)
        c.save("old-leader-back", "node %d cut its tail and follows" % lead)
        log = [re.sub(r"\[[^\]]*\] (\w+) \S*\.(\w+) - ", r"\1 \2 - ", l.replace(c.w, "$DIR")) for l in rd(c.b[lead].err).decode().split("\n") if re.search(r"runcat|epoch.*diverg|Recovering unflushed", l) and "__cluster" not in l]
        c.finish(old_leader=lead, log_lines_of_old_leader=log[:20])
        return


def unclean_election():
    c = Cluster("unclean-election", "orders")
    o = [1, 2, 3] if SEED == 1 else [2, 3, 1]
    c.create(",".join(map(str, o)), ";unclean.leader.election.enable=true;min.insync.replicas=1")
    c.produce("A", 20)
    lead = c.full()["leader"]
    x, y = [n for n in o if n != lead]
    c.kill(y)
    c.kill(x)
    c.ev("state after both followers died: %s" % c.wait(lambda s: s["isr"] == [lead]))
    c.produce("B", 16)
    c.produce("b", 6, acks="1")
    c.save("isr-of-one", "followers dead, leader %d alone; what it wrote was acknowledged with acks=all" % lead)
    c.kill(lead)
    time.sleep(3)
    c.start(x)
    for _ in range(60):
        s = c.state()
        if s.get("leader") == x:
            break
        if _ == 10:
            c.ev("no election by itself after 2 s: %s; asking for an UNCLEAN election: %s" % (s, c.rig("elect", c.bs, c.topic, "UNCLEAN")))
        time.sleep(0.2)
    c.ev("state: %s" % c.wait(lambda s: s["leader"] == x))
    c.produce("C", 12)
    c.kill(x)
    time.sleep(3)
    c.start(y)
    for _ in range(60):
        s = c.state()
        if s.get("leader") == y:
            break
        if _ == 10:
            c.ev("asking for an UNCLEAN election: %s" % c.rig("elect", c.bs, c.topic, "UNCLEAN"))
        time.sleep(0.2)
    c.ev("state: %s" % c.wait(lambda s: s["leader"] == y))
    c.produce("D", 9)
    time.sleep(0.5)
    c.save("diverged", "three histories: node %d was the leader with the ISR of one, node %d then an unclean leader, node %d (running, leader) another" % (lead, x, y))
    c.start(lead)
    c.start(x)
    c.full()
    time.sleep(5.5)
    c.save("healed", "nodes %d and %d follow %d" % (lead, x, y))
    logs_ = {}
    for n in (lead, x):
        logs_[n] = [re.sub(r"\[[^\]]*\] (\w+) \S*\.(\w+) - ", r"\1 \2 - ", l.replace(c.w, "$DIR")) for l in rd(c.b[n].err).decode().split("\n") if re.search(r"runcat", l) and "__cluster" not in l][:20]
    c.finish(first_leader=lead, second_leader=x, third_leader=y, log_lines=logs_)


def gap_replicated():
    c = Cluster("gap-replicated", "orders")
    c.create("1")
    c.produce("A", 45)
    c.stop(1)
    d = os.path.join(c.w, "1", "data")
    pd = os.path.join(d, "orders-0")
    fs = logs(pd)
    f = fs[1]
    bs = walk(rd(os.path.join(pd, f)))
    k = len(bs) // 2
    lost = bs[k:k + 2]
    wr(os.path.join(pd, f), b"".join(b.raw for b in bs if b not in lost))
    for e in (".index", ".timeindex"):
        os.remove(os.path.join(pd, f[:20] + e))
    os.remove(os.path.join(d, ".kafka_cleanshutdown"))
    c.ev("two batches (offsets %d-%d) taken out of %s on node 1, its indexes and the clean marker removed" % (lost[0].base, lost[-1].last, f))
    c.start(1)
    c.wait(lambda s: s["leader"] == 1)
    c.ev("reassign to 1,2,3: %s" % c.rig("reassign", c.bs, c.topic, "1,2,3"))
    c.full()
    time.sleep(5.5)
    c.save("replicated", "a log with an offset gap, copied by the brokers 2 and 3 from empty")
    c.produce("B", 6)
    c.full()
    c.save("after-append", "records appended after that")
    c.finish(gap=[lost[0].base, lost[-1].last])


def marker_and_elr():
    """KIP-966: does a marker written by hand count as a clean shutdown for the eligible leader replicas? (no directories saved)"""
    res = []
    todo = os.environ.get("VARIANTS", "0123")
    for variant in [v for i, v in enumerate(("no marker", "marker with brokerEpoch -1", "marker without content", "marker with the registered broker epoch")) if str(i) in todo]:
        c = Cluster("marker-and-elr", "orders")
        c.create("1,2,3", ";min.insync.replicas=2")
        c.produce("A", 10)
        c.full()
        c.kill(3)
        c.wait(lambda s: s["isr"] == [1, 2])
        c.kill(2)
        c.wait(lambda s: s["isr"] == [1])
        s1 = c.state()
        c.kill(1)
        time.sleep(3)
        e = rd(c.c.err).decode()
        ep = re.findall(r"(?:incarnation of broker 2|registration found for broker 2).*?New broker epoch is (\d+)", e)[-1]
        d = os.path.join(c.w, "2", "data", ".kafka_cleanshutdown")
        if "epoch -1" in variant.replace("brokerEpoch", "epoch"):
            wr(d, b'{"version":0,"brokerEpoch":-1}')
        elif "without" in variant:
            wr(d, b"")
        elif "registered" in variant:
            wr(d, b'{"version":0,"brokerEpoch":%s}' % ep.encode())
        c.start(2)
        for _ in range(5):
            time.sleep(1)
            s2 = c.state()
            if s2.get("leader") == 2:
                break
        e = rd(c.c.err).decode()
        un = [re.sub(r"^.* - ", "", l)[:300] for l in e.split("\n") if re.search(r"unclean|handleUnclean", l, re.I) and "Replayed" not in l and "=" not in l.split(" - ")[0][-5:] and "unclean." not in l]
        rc = [l for l in re.findall(r"(?:Recovering \d+ logs|Skipping recovery of \d+ logs)[^\n]*", rd(c.b[2].err).decode())]
        res.append({"variant": variant, "state_with_node_1_alone": s1, "after_start_of_node_2": s2, "controller": un[:6], "node_2": [x.replace(c.w, "$DIR") for x in rc]})
        print(json.dumps(res[-1]), flush=True)
        for n in c.b:
            if c.alive(n):
                c.b[n].kill()
        c.c.kill()
        c.rig.quit()
        shutil.rmtree(c.out, ignore_errors=True)
    with open(os.path.join(OUT, "marker-and-elr.json"), "w") as f:
        json.dump(res, f, indent=1)
        f.write("\n")


ALL = [leader_changes, follower_failure, leader_failure, unclean_election, gap_replicated] + ([marker_and_elr] if SET == "public" else [])
if __name__ == "__main__":
    for f in ALL:
        if len(sys.argv) > 3 and sys.argv[3].replace("-", "_") not in f.__name__:
            continue
        for a in range(3):
            try:
                f()
                break
            except Exception as e:
                print("RETRY", f.__name__, repr(e)[:500], flush=True)
                import gc
                P0 = int(os.environ.get("PORT", "39092")) + 4 * ((a + 1) % 2)  # a port may be taken by an outgoing connection
                for o in gc.get_objects():
                    if isinstance(o, Rig) and o.p.poll() is None:
                        o.p.kill()
                    if isinstance(o, Broker) and o.p is not None and o.p.poll() is None:
                        o.p.send_signal(signal.SIGCONT)
                        o.kill()
