"""The Python dashboard that MeshObservability follows line for line: the oracle of the differential test.

Reads a JSON list of meshes from stdin, each {"clock", "services": [[...]], "flows": [[...]]}, and writes a JSON list of
what the dashboard and the audit printed. The clock is an argument here; everything else is the original.
"""
import contextlib
import io
import json
import sys
from dataclasses import dataclass
from typing import Dict, List


@dataclass
class ServiceMetrics:
    name: str
    requests_total: int
    error_rate: float
    p50_latency_ms: float
    p99_latency_ms: float
    mtls_enabled: bool
    connections: int


class MeshObservability:
    """Service Mesh Observability Dashboard"""

    def __init__(self, clock):
        self.clock = clock
        self.services: Dict[str, ServiceMetrics] = {}
        self.traffic_flows: List[Dict] = []

    def add_service(self, metrics: ServiceMetrics):
        self.services[metrics.name] = metrics

    def add_traffic(self, source, dest, rps, error_rate, mtls):
        self.traffic_flows.append({
            "source": source, "dest": dest,
            "rps": rps, "error_rate": error_rate,
            "mtls": mtls,
        })

    def dashboard(self):
        """Mesh Dashboard"""
        print(f"\n{'='*60}")
        print(f"Service Mesh Dashboard — {self.clock}")
        print(f"{'='*60}")
        total_rps = sum(s.requests_total for s in self.services.values())
        mtls_count = sum(1 for s in self.services.values() if s.mtls_enabled)
        total = len(self.services)
        print(f" Services: {total}")
        print(f" mTLS Coverage: {mtls_count}/{total} ({mtls_count/total*100:.0f}%)")
        print(f" Total RPS: {total_rps:,}")
        print(f"\n Services:")
        for name, m in self.services.items():
            mtls = "mTLS" if m.mtls_enabled else "PLAIN"
            health = "OK" if m.error_rate < 1 else "WARN" if m.error_rate < 5 else "CRIT"
            print(f" [{health:>4}] {name:<25} "
                  f"RPS:{m.requests_total:>6} "
                  f"Err:{m.error_rate:.1f}% "
                  f"P99:{m.p99_latency_ms:.0f}ms "
                  f"[{mtls}]")
        print(f"\n Traffic Flows:")
        for flow in self.traffic_flows:
            mtls = "mTLS" if flow["mtls"] else "PLAIN"
            print(f" {flow['source']:>20} -> {flow['dest']:<20} "
                  f"{flow['rps']:>4} rps [{mtls}]")

    def security_audit(self):
        """Security Audit"""
        print(f"\n Security Audit:")
        issues = []
        for name, m in self.services.items():
            if not m.mtls_enabled:
                issues.append(f" WARN: {name} — mTLS not enabled")
        for flow in self.traffic_flows:
            if not flow["mtls"]:
                issues.append(f" WARN: {flow['source']} -> {flow['dest']} — Plain text")
        if issues:
            for issue in issues:
                print(f" {issue}")
        else:
            print(f" All services using mTLS — PASS")


def printed(show):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show()
    return out.getvalue()


def answer(case):
    mesh = MeshObservability(case["clock"])
    for row in case["services"]:
        mesh.add_service(ServiceMetrics(*row))
    for row in case["flows"]:
        mesh.add_traffic(*row)
    return {"dashboard": printed(mesh.dashboard), "audit": printed(mesh.security_audit)}


print(json.dumps([answer(case) for case in json.load(sys.stdin)]))
