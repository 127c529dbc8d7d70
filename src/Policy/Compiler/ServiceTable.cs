using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Compiler;

/// <summary>Services as egress sees them: cluster IPs and what is behind them.</summary>
internal sealed class ServiceTable(PodInventory inventory, ChangeLog changes)
{
    private readonly Dictionary<NamespacedName, ServiceState> _services = [];
    private readonly Dictionary<NamespacedName, EndpointSlice> _slices = [];
    private readonly Dictionary<NamespacedName, SortedList<string, EndpointSlice>> _slicesOf = [];
    private readonly Dictionary<string, SelectorIndex<ServiceState>> _byNamespace = [];
    private readonly Dictionary<IpAddress, HashSet<ServiceState>> _bySliceAddress = [];
    private readonly Dictionary<FrontendKey, Frontend> _frontends = [];
    private readonly Dictionary<IpAddress, HashSet<Frontend>> _byBackend = changes.FrontendsByBackend;
    private readonly Dictionary<IpAddress, int> _clusterIps = [];
    private readonly HashSet<Frontend> _stale = [];

    /// <summary>Every cluster IP.</summary>
    public IReadOnlyCollection<IpAddress> ClusterIps => _clusterIps.Keys;

    /// <summary>How the set of cluster IPs changed since this was last cleared, in order.</summary>
    public List<(IpAddress Address, bool Added)> ClusterIpChanges { get; } = [];

    /// <summary>Every frontend.</summary>
    public Dictionary<FrontendKey, Frontend>.ValueCollection Frontends => _frontends.Values;

    /// <summary>Whether every table is empty.</summary>
    public bool IsEmpty =>
        _services.Count + _slices.Count + _slicesOf.Count + _byNamespace.Count + _bySliceAddress.Count + _frontends.Count + _byBackend.Count + _clusterIps.Count == 0;

    /// <summary>The frontends a workload may be behind, each once.</summary>
    public IEnumerable<Frontend> FrontendsOf(PodState pod) =>
        pod.Services.SelectMany(FrontendsOf).Distinct().Select(key => _frontends[key]);

    /// <summary>Takes a Service in its new state; null when it is gone.</summary>
    public void Set(NamespacedName name, Service? service)
    {
        if (_services.TryGetValue(name, out var known))
        {
            if (known.Service.Equals(service))
            {
                return;
            }

            Remove(known);
        }

        if (service is not null)
        {
            Add(new ServiceState(service, SlicesOf(name)));
        }
    }

    /// <summary>Takes an EndpointSlice in its new state; null when it is gone.</summary>
    public void SetSlice(NamespacedName name, EndpointSlice? slice)
    {
        var known = _slices.GetValueOrDefault(name);
        if (known == slice)
        {
            return;
        }

        if (known is not null)
        {
            _slices.Remove(name);
            Detach(known);
        }

        if (slice is not null)
        {
            _slices.Add(name, slice);
            Attach(slice);
        }
    }

    /// <summary>Finds out which Services a workload is behind now; to be called when anything about it changed.</summary>
    public void Follow(PodState pod)
    {
        if (_services.Count == 0)
        {
            return;
        }

        var now = inventory.Find(pod.Workload.Key.NamespacedName) == pod ? ServicesOf(pod) : [];
        foreach (var service in pod.Services)
        {
            service.Pods.Remove(pod);
            MarkStale(service);
        }

        foreach (var service in now)
        {
            service.Pods.Add(pod);
            MarkStale(service);
        }

        pod.Services = now;
    }

    /// <summary>Brings the frontends up to date; what they were or are may be judged differently.</summary>
    public void Update()
    {
        foreach (var frontend in _stale)
        {
            Refresh(frontend);
            changes.Frontends.Add(frontend);
        }

        _stale.Clear();
    }

    private static NamespacedName? ServiceOf(EndpointSlice slice) => slice.Service is { } service ? new(slice.Namespace, service) : null;

    private IEnumerable<EndpointSlice> SlicesOf(NamespacedName service) => _slicesOf.TryGetValue(service, out var slices) ? slices.Values : [];

    private void Attach(EndpointSlice slice)
    {
        if (ServiceOf(slice) is not { } service)
        {
            return;
        }

        if (!_slicesOf.TryGetValue(service, out var slices))
        {
            _slicesOf.Add(service, slices = new SortedList<string, EndpointSlice>(StringComparer.Ordinal));
        }

        slices.Add(slice.Name, slice);
        Renew(service);
    }

    private void Detach(EndpointSlice slice)
    {
        if (ServiceOf(slice) is not { } service)
        {
            return;
        }

        var slices = _slicesOf[service];
        slices.Remove(slice.Name);
        if (slices.Count == 0)
        {
            _slicesOf.Remove(service);
        }

        Renew(service);
    }

    /// <summary>A Service that selects nothing has other slices.</summary>
    private void Renew(NamespacedName name)
    {
        if (_services.TryGetValue(name, out var service) && service.Selector is null)
        {
            Remove(service);
            Add(new ServiceState(service.Service, SlicesOf(name)));
        }
    }

    private void Add(ServiceState service)
    {
        _services.Add(service.Service.Key.NamespacedName, service);
        foreach (var address in service.Service.ClusterIps.Distinct())
        {
            ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(_clusterIps, address, out var exists);
            count++;
            if (!exists)
            {
                ClusterIpChanges.Add((address, true));
            }
        }

        foreach (var key in FrontendsOf(service))
        {
            if (!_frontends.TryGetValue(key, out var frontend))
            {
                _frontends.Add(key, frontend = new Frontend(key));
            }

            frontend.Services.Add(service);
            _stale.Add(frontend);
        }

        if (service.Selector is not { } selector)
        {
            AddSliceAddresses(service);
            return;
        }

        if (!_byNamespace.TryGetValue(service.Service.Namespace, out var index))
        {
            _byNamespace.Add(service.Service.Namespace, index = new SelectorIndex<ServiceState>());
        }

        index.Add(selector, service);
        foreach (var pod in inventory.PodsIn(service.Service.Namespace))
        {
            if (IsBehind(service, pod.Workload))
            {
                Join(service, pod);
            }
        }
    }

    private void AddSliceAddresses(ServiceState service)
    {
        foreach (var address in service.Slices.SelectMany(slice => slice.Addresses))
        {
            if (!_bySliceAddress.TryGetValue(address, out var services))
            {
                _bySliceAddress.Add(address, services = []);
            }

            services.Add(service);
            if (inventory.Addresses.OwnerOf(address) is { } pod && !service.Pods.Contains(pod))
            {
                Join(service, pod);
            }
        }
    }

    private void RemoveSliceAddresses(ServiceState service)
    {
        foreach (var address in service.Slices.SelectMany(slice => slice.Addresses))
        {
            if (_bySliceAddress.TryGetValue(address, out var services) && services.Remove(service) && services.Count == 0)
            {
                _bySliceAddress.Remove(address);
            }
        }
    }

    private void Join(ServiceState service, PodState pod)
    {
        service.Pods.Add(pod);
        pod.Services = [.. pod.Services, service];
        changes.EndpointChanged(pod);
    }

    private void Remove(ServiceState service)
    {
        _services.Remove(service.Service.Key.NamespacedName);
        foreach (var address in service.Service.ClusterIps.Distinct())
        {
            if (--CollectionsMarshal.GetValueRefOrNullRef(_clusterIps, address) == 0)
            {
                _clusterIps.Remove(address);
                ClusterIpChanges.Add((address, false));
            }
        }

        foreach (var key in FrontendsOf(service))
        {
            var frontend = _frontends[key];
            frontend.Services.Remove(service);
            _stale.Add(frontend);
        }

        if (service.Selector is { } selector)
        {
            var index = _byNamespace[service.Service.Namespace];
            index.Remove(selector, service);
            if (index.Count == 0)
            {
                _byNamespace.Remove(service.Service.Namespace);
            }
        }

        RemoveSliceAddresses(service);

        foreach (var pod in service.Pods)
        {
            pod.Services = [.. pod.Services.Where(other => other != service)];
            changes.EndpointChanged(pod);
        }
    }

    private void MarkStale(ServiceState service)
    {
        foreach (var key in FrontendsOf(service))
        {
            _stale.Add(_frontends[key]);
        }
    }

    private void Refresh(Frontend frontend)
    {
        foreach (var backend in frontend.Backends)
        {
            if (_byBackend.TryGetValue(backend.Address, out var frontends) && frontends.Remove(frontend) && frontends.Count == 0)
            {
                _byBackend.Remove(backend.Address);
            }
        }

        frontend.Backends = [.. BackendsOf(frontend)];
        foreach (var backend in frontend.Backends)
        {
            if (!_byBackend.TryGetValue(backend.Address, out var frontends))
            {
                _byBackend.Add(backend.Address, frontends = []);
            }

            frontends.Add(frontend);
        }

        if (frontend.Services.Count == 0 && _frontends.GetValueOrDefault(frontend.Key) == frontend)
        {
            _frontends.Remove(frontend.Key);
        }
    }

    private IEnumerable<Backend> BackendsOf(Frontend frontend)
    {
        foreach (var service in frontend.Services.OrderBy(service => service.Service.Key.NamespacedName))
        {
            foreach (var servicePort in service.Service.Ports)
            {
                if (servicePort.Protocol != frontend.Key.Protocol || servicePort.Port != frontend.Key.Port)
                {
                    continue;
                }

                var family = frontend.Key.Address.Family;
                foreach (var backend in service.Selector is null ? StatedBackends(service, servicePort, family) : SelectedBackends(service, servicePort, family))
                {
                    yield return backend;
                }
            }
        }
    }

    private IEnumerable<Backend> SelectedBackends(ServiceState service, ServicePort servicePort, IpFamily family)
    {
        foreach (var pod in service.Pods.OrderBy(pod => pod.Workload.Key.NamespacedName))
        {
            if (pod.Workload.Ready && AddressOf(pod, family) is { } address)
            {
                foreach (var port in TargetPorts(pod.Workload, servicePort))
                {
                    yield return new Backend(address, port, pod);
                }
            }
        }
    }

    private IEnumerable<Backend> StatedBackends(ServiceState service, ServicePort servicePort, IpFamily family) =>
        from slice in service.Slices
        from address in slice.Addresses
        where address.Family == family
        from port in slice.Ports
        where port.Protocol == servicePort.Protocol && port.Name == (servicePort.Name ?? string.Empty)
        select new Backend(address, port.Port, inventory.Addresses.OwnerOf(address));

    private IpAddress? AddressOf(PodState pod, IpFamily family)
    {
        foreach (var address in pod.Workload.Addresses)
        {
            // On the host's network a workload has its node's addresses without owning them.
            if (address.Family == family && (pod.Workload.HostNetwork || inventory.Addresses.OwnerOf(address) == pod))
            {
                return address;
            }
        }

        return null;
    }

    private static IEnumerable<ushort> TargetPorts(Workload workload, ServicePort port)
    {
        if (port.TargetPort.Number is { } number)
        {
            return [number];
        }

        var named = new PortName(port.TargetPort.Name!, port.Protocol);
        return workload.Ports.Where(named.Means).Select(served => served.Port);
    }

    private List<ServiceState> ServicesOf(PodState pod)
    {
        var result = new List<ServiceState>();
        if (_byNamespace.TryGetValue(pod.Workload.Namespace, out var index))
        {
            index.FindCandidates(pod.Workload.Labels, result);
            result.RemoveAll(service => !IsBehind(service, pod.Workload));
        }

        foreach (var address in inventory.Addresses.OwnedBy(pod))
        {
            if (_bySliceAddress.TryGetValue(address, out var services))
            {
                result.AddRange(services.Except(result));
            }
        }

        return result;
    }

    private static bool IsBehind(ServiceState service, Workload workload) =>
        !workload.Finished && LabelMatching.Matches(service.Selector!, workload.Labels);

    private static IEnumerable<FrontendKey> FrontendsOf(ServiceState service) =>
        from address in service.Service.ClusterIps.Distinct()
        from port in service.Service.Ports.DistinctBy(port => (port.Protocol, port.Port))
        select new FrontendKey(address, port.Protocol, port.Port);
}
