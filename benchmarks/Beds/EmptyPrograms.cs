using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Benchmarks.Beds;

/// <summary>Programs that do nothing on both hooks of interfaces, attached as the eBPF datapath attaches its own.</summary>
internal sealed class EmptyPrograms : IDisposable
{
    private readonly BpfObject _object = BpfObject.Open("bench.bpf.o");
    private readonly List<FdHandle> _links = [];

    /// <summary>Attaches to interfaces of the calling thread's network namespace.</summary>
    public EmptyPrograms(IEnumerable<int> interfaces)
    {
        _object.Load();
        var program = _object.ProgramFd("bench_empty");
        var hasLinks = TcxLinks.AreSupported(program);
        foreach (var ifindex in interfaces)
        {
            // Filters go with their interface, that is with the namespace.
            _ = hasLinks || TcFilters.CreateQdisc(ifindex);
            foreach (var hook in new[] { TcHook.Ingress, TcHook.Egress })
            {
                if (hasLinks)
                {
                    _links.Add(TcxLinks.Create(ifindex, hook, program));
                }
                else
                {
                    TcFilters.Attach(ifindex, hook, priority: 1, handle: 1, program);
                }
            }
        }
    }

    public void Dispose()
    {
        _links.ForEach(link => link.Dispose());
        _object.Dispose();
    }
}
