using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Evaluator;

/// <content>Cluster IPs on egress.</content>
public sealed partial class PolicyEvaluator
{
    private bool IsClusterIp(IpAddress address) => World.Services.Any(service => service.ClusterIps.Contains(address));

    private Verdict DecideService(Workload subject, IpAddress clusterIp, Probe probe, bool withAudit)
    {
        Verdict? denied = null;
        var backends = BackendsOf(clusterIp, probe).ToList();
        foreach (var (address, port, _) in backends)
        {
            var verdict = DecideTiers(PacketTo(address, port) with { SparesSelf = false }, withAudit);
            if (verdict.Allowed)
            {
                return verdict with { Reason = $"backend {address}:{port} of the Service is allowed: {verdict.Reason}" };
            }

            denied ??= verdict with { Reason = $"no backend of the Service is allowed: {verdict.Reason}" };
        }

        foreach (var (address, port, _) in backends.Where(backend => backend.Workload?.Key == subject.Key))
        {
            if (DecideTiers(PacketTo(address, port), withAudit) is { Allowed: true } self)
            {
                return self with { DecidedBy = null, Reason = "a pod reaches itself through a Service" };
            }
        }

        // With nothing behind it, only rules that name no peers can mean a cluster IP.
        return denied ?? DecideTiers(new Packet(Direction.Egress, subject, null, null, probe), withAudit);

        Packet PacketTo(IpAddress address, ushort port) => new(Direction.Egress, subject, address, OwnerOf(address), probe with { Port = port });
    }

    /// <summary>Where traffic to a cluster IP and port can end up.</summary>
    private IEnumerable<(IpAddress Address, ushort Port, Workload? Workload)> BackendsOf(IpAddress clusterIp, Probe probe) =>
        from service in World.Services
        where service.ClusterIps.Contains(clusterIp)
        from servicePort in service.Ports
        where servicePort.Protocol == probe.Protocol && servicePort.Port == probe.Port
        from backend in service.Selector is { Count: > 0 }
            ? SelectedBackends(service, servicePort, clusterIp.Family)
            : StatedBackends(service, servicePort, clusterIp.Family)
        select backend;

    private IEnumerable<(IpAddress Address, ushort Port, Workload? Workload)> SelectedBackends(Service service, ServicePort servicePort, IpFamily family) =>
        from backend in World.Workloads
        where backend.Namespace == service.Namespace && backend.Ready && !backend.Finished && HasLabels(backend, service.Selector!)
        from address in BackendAddress(backend, family)
        from port in TargetPorts(backend, servicePort)
        select (address, port, (Workload?)backend);

    private IEnumerable<(IpAddress Address, ushort Port, Workload? Workload)> StatedBackends(Service service, ServicePort servicePort, IpFamily family) =>
        from slice in World.EndpointSlices
        where slice.Namespace == service.Namespace && slice.Service == service.Name
        from address in slice.Addresses
        where address.Family == family
        from port in slice.Ports
        where port.Protocol == servicePort.Protocol && port.Name == (servicePort.Name ?? string.Empty)
        select (address, port.Port, OwnerOf(address));

    private static bool HasLabels(Workload workload, LabelSet wanted) =>
        wanted.All(label => workload.Labels.TryGetValue(label.Key, out var value) && value == label.Value);

    private IEnumerable<IpAddress> BackendAddress(Workload backend, IpFamily family) =>
        (backend.HostNetwork ? backend.Addresses : AddressesOf(backend)).Where(address => address.Family == family).Take(1);

    private static IEnumerable<ushort> TargetPorts(Workload backend, ServicePort port) => port.TargetPort.Name is { } name
        ? backend.Ports.Where(served => served.Name == name && served.Protocol == port.Protocol).Select(served => served.Port)
        : [port.TargetPort.Number!.Value];
}
