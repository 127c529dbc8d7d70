using System.Globalization;
using System.Text;
using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Datapath.Ebpf;

/// <summary>
/// The programs on interfaces: pinned TCX links where the kernel has them, else clsact filters, ours among other people's: links are
/// known by their pins, filters by name and handle. Opening a program by its id would tell more, but takes CAP_SYS_ADMIN.
/// </summary>
/// <remarks>
/// Making a link waits for a grace period and holds the kernel's lock of all interfaces meanwhile; a filter is there at once. So on a hook of a
/// new interface a filter stands in, until <see cref="UseLink"/>.
/// </remarks>
internal sealed class Attachments(string instance, EbpfPaths paths)
{
    /// <summary>The kernel keeps 15 characters of a program's name; both names begin with this.</summary>
    private const string ProgramPrefix = "portcullis_tc_";

    private const uint FirstPriority = 1;
    private const uint LastPriority = 16;

    private static readonly TcHook[] Hooks = [TcHook.Ingress, TcHook.Egress];

    private readonly uint _handle = HandleOf(instance);
    private bool? _useTcx;

    /// <summary>Whether to attach by clsact filters even where the kernel has TCX.</summary>
    public bool AvoidTcx { get; set; }

    /// <summary>Whether programs are attached by TCX links, of whose removal the kernel tells nobody.</summary>
    public bool AreLinks => _useTcx == true;

    /// <summary>Attaches both programs to an interface, in the place of those that are there.</summary>
    /// <param name="ifindex">The interface.</param>
    /// <param name="ingress">The program for packets from it.</param>
    /// <param name="egress">The program for packets to it.</param>
    /// <param name="isNew">
    /// Whether there is more to lose by waiting for links than by having the kernel drop what is being sent to the interface while it adds a qdisc.
    /// </param>
    /// <exception cref="BpfException">The kernel refused; ENODEV or ENOENT: the interface is gone.</exception>
    public void Attach(int ifindex, int ingress, int egress, bool isNew)
    {
        _useTcx ??= !AvoidTcx && TcxLinks.AreSupported(ingress);
        Attach(ifindex, TcHook.Ingress, ingress, isNew);
        Attach(ifindex, TcHook.Egress, egress, isNew);
    }

    /// <summary>The first hook of an interface where a filter stands in for a link; null: none.</summary>
    public TcHook? FindStandIn(int ifindex) => AreLinks && Ours(ifindex, anyInstance: false) is [var (hook, _), ..] ? hook : null;

    /// <summary>Lets a link judge what the filter that stands in for it judged until now. A packet may meet both, never neither.</summary>
    /// <param name="ifindex">The interface.</param>
    /// <param name="hook">The hook.</param>
    /// <param name="link">A link there.</param>
    /// <param name="program">The program.</param>
    public void UseLink(int ifindex, TcHook hook, FdHandle link, int program)
    {
        TcxLinks.Update(link, program);
        BpfPin.Replace(link.Fd, paths.Link(ifindex, hook));
        DetachFilters(ifindex, hook);
    }

    /// <summary>Takes our programs off an interface, and its qdisc when we made it and nobody else uses it.</summary>
    public void Detach(int ifindex)
    {
        foreach (var hook in Hooks)
        {
            RemoveLink(paths.Link(ifindex, hook));
            DetachFilters(ifindex, hook);
        }

        RemoveQdisc(ifindex, paths.QdiscMark(ifindex));
    }

    /// <summary>The interfaces that carry programs of this instance.</summary>
    public HashSet<int> Find() =>
    [
        .. Interfaces.List().Keys.Where(ifindex => Ours(ifindex, anyInstance: false).Count > 0),
        .. Folders(allInstances: false).SelectMany(EbpfPaths.Links).Select(link => link.Ifindex),
    ];

    /// <summary>The interfaces on which packets run into a program of this instance.</summary>
    public HashSet<int> FindAttached() =>
    [
        .. Interfaces.List().Keys.Where(ifindex =>
            Ours(ifindex, anyInstance: false).Count > 0 || Array.Exists(Hooks, hook => IsLinked(ifindex, hook))),
    ];

    /// <summary>How this instance's programs are on an interface.</summary>
    public AttachmentState Look(int ifindex)
    {
        var state = AttachmentState.Complete;
        foreach (var hook in Hooks)
        {
            if (AreLinks && IsLinked(ifindex, hook))
            {
                continue;
            }

            if (!TcFilters.List(ifindex, hook).Exists(IsOfThisInstance))
            {
                return AttachmentState.Missing;
            }

            state = AreLinks ? AttachmentState.StandIn : state;
        }

        return state;
    }

    /// <summary>What others have put before our programs on an interface, which may end the chain there: one line; null: nothing.</summary>
    public string? Ahead(int ifindex)
    {
        foreach (var hook in Hooks)
        {
            // The link that is still to come will be the first.
            if (TcxLinks.Programs(ifindex, hook) is [var program, ..] && !IsOurLink(ifindex, hook, program) && (!AreLinks || IsLinked(ifindex, hook)))
            {
                return $"TCX {hook}: program {BpfProgram.NameOf(program) ?? program.ToString(CultureInfo.InvariantCulture)}";
            }

            if (!AreLinks && TcFilters.List(ifindex, hook) is [var first, ..] && !IsOurs(first))
            {
                return $"TC {hook}: filter of priority {first.Priority}";
            }
        }

        return null;
    }

    /// <summary>Removes the filters and qdiscs of this instance, or of every one, from this network namespace.</summary>
    public List<string> RemoveAll(bool allInstances, CancellationToken cancellationToken)
    {
        var removed = new List<string>();
        var interfaces = Interfaces.List();
        foreach (var (ifindex, name) in interfaces)
        {
            foreach (var (hook, filter) in Ours(ifindex, allInstances))
            {
                cancellationToken.ThrowIfCancellationRequested();
                TcFilters.Detach(ifindex, hook, filter.Priority, filter.Handle);
                removed.Add($"filter on TC {(hook == TcHook.Ingress ? "ingress" : "egress")} of {name}");
            }
        }

        foreach (var folder in Folders(allInstances).ToArray())
        {
            foreach (var (path, ifindex, hook) in EbpfPaths.Links(folder).ToArray())
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (RemoveLink(path) && interfaces.TryGetValue(ifindex, out var name))
                {
                    removed.Add($"link on TCX {(hook == TcHook.Ingress ? "ingress" : "egress")} of {name}");
                }
            }

            foreach (var ifindex in EbpfPaths.MarkedQdiscs(folder).ToArray())
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (RemoveQdisc(ifindex, Path.Combine(folder, Path.GetFileName(paths.QdiscMark(ifindex)))) && interfaces.TryGetValue(ifindex, out var name))
                {
                    removed.Add($"clsact qdisc of {name}");
                }
            }
        }

        return removed;
    }

    /// <summary>The folders in the BPF file system of this instance, or of every one.</summary>
    public IEnumerable<string> Folders(bool allInstances)
    {
        if (allInstances)
        {
            return Directory.Exists(EbpfPaths.Root) ? Directory.GetDirectories(EbpfPaths.Root) : [];
        }

        return Directory.Exists(paths.Folder) ? [paths.Folder] : [];
    }

    private static uint HandleOf(string instance)
    {
        var hash = 2166136261u;
        foreach (var value in Encoding.UTF8.GetBytes(instance))
        {
            hash = (hash ^ value) * 16777619;
        }

        return hash == 0 ? 1 : hash;
    }

    private void Attach(int ifindex, TcHook hook, int program, bool isNew)
    {
        // What is attached in the other way goes only once the program is there.
        if (!AreLinks)
        {
            AttachFilter(ifindex, hook, program, TcFilters.List(ifindex, hook));
            RemoveLink(paths.Link(ifindex, hook));
        }
        else if (UpdateLink(ifindex, hook, program))
        {
            DetachFilters(ifindex, hook);
        }
        else if (!TryStandIn(ifindex, hook, program, isNew))
        {
            using var created = TcxLinks.Create(ifindex, hook, program);
            UseLink(ifindex, hook, created, program);
        }
    }

    private bool UpdateLink(int ifindex, TcHook hook, int program)
    {
        var path = paths.Link(ifindex, hook);
        using var existing = BpfPin.TryOpen(path, BpfPinKind.Link);
        if (existing is null)
        {
            return false;
        }

        if (!TcxLinks.IsOn(existing, ifindex, hook))
        {
            // It belonged to an interface that is gone or moved away, or was detached by somebody.
            RemoveLink(path);
            return false;
        }

        TcxLinks.Update(existing, program);
        return true;
    }

    // Only a link is sure to come before what others have on the hook.
    private bool TryStandIn(int ifindex, TcHook hook, int program, bool isNew)
    {
        var filters = TcFilters.List(ifindex, hook);
        if (!filters.Exists(IsOfThisInstance) && (!isNew || filters.Count > 0 || TcxLinks.Programs(ifindex, hook).Length > 0))
        {
            return false;
        }

        try
        {
            AttachFilter(ifindex, hook, program, filters);
            return true;
        }
        catch (BpfException e) when (e.Errno is LibC.ENOENT)
        {
            // A kernel without clsact or filters of programs.
            return false;
        }
    }

    // The mark comes first: a qdisc of ours without it would never be removed.
    private void CreateQdisc(int ifindex)
    {
        var mark = paths.QdiscMark(ifindex);
        var isOurs = Directory.Exists(mark);
        Directory.CreateDirectory(mark);
        try
        {
            isOurs |= TcFilters.CreateQdisc(ifindex);
        }
        finally
        {
            if (!isOurs)
            {
                Directory.Delete(mark);
            }
        }
    }

    // First in line, so that no other filter accepts a packet before it was judged. A priority that another kind of filter
    // or another protocol has taken is refused by the kernel: then the next.
    private void AttachFilter(int ifindex, TcHook hook, int program, List<TcFilter> filters)
    {
        if (filters.Find(IsOfThisInstance) is { Handle: not 0 } existing)
        {
            TcFilters.Attach(ifindex, hook, existing.Priority, _handle, program);
            return;
        }

        CreateQdisc(ifindex);
        for (var priority = FirstPriority; ; priority++)
        {
            if (filters.Exists(filter => filter.Priority == priority && filter.Handle == _handle))
            {
                continue;
            }

            try
            {
                TcFilters.Attach(ifindex, hook, priority, _handle, program);
                return;
            }
            catch (BpfException e) when (e.Errno is LibC.EINVAL or LibC.ENOENT or LibC.EEXIST && priority < LastPriority)
            {
            }
        }
    }

    private void DetachFilters(int ifindex, TcHook hook)
    {
        foreach (var filter in TcFilters.List(ifindex, hook).Where(IsOfThisInstance))
        {
            TcFilters.Detach(ifindex, hook, filter.Priority, filter.Handle);
        }
    }

    private bool IsLinked(int ifindex, TcHook hook)
    {
        using var link = BpfPin.TryOpen(paths.Link(ifindex, hook), BpfPinKind.Link);
        return link is not null && TcxLinks.IsOn(link, ifindex, hook);
    }

    /// <summary>Whether it was there and attached.</summary>
    private static bool RemoveLink(string path)
    {
        FdHandle? link;
        try
        {
            link = BpfPin.TryOpen(path, BpfPinKind.Link);
        }
        catch (ForeignPinException)
        {
            // Nothing of ours is attached by it.
            return false;
        }

        if (link is null)
        {
            return false;
        }

        using var opened = link;

        var isAttached = TcxLinks.IsAttached(link);
        if (isAttached)
        {
            TcxLinks.Detach(link);
        }

        File.Delete(path);
        return isAttached;
    }

    private List<(TcHook Hook, TcFilter Filter)> Ours(int ifindex, bool anyInstance)
    {
        var ours = new List<(TcHook, TcFilter)>();
        foreach (var hook in Hooks)
        {
            ours.AddRange(TcFilters.List(ifindex, hook)
                .Where(filter => anyInstance ? IsOurs(filter) : IsOfThisInstance(filter))
                .Select(filter => (hook, filter)));
        }

        return ours;
    }

    private bool IsOfThisInstance(TcFilter filter) => filter.Handle == _handle && IsOurs(filter);

    private static bool IsOurs(TcFilter filter) => filter.Program.StartsWith(ProgramPrefix, StringComparison.Ordinal);

    /// <summary>Whether a program is on a hook by a link of any instance.</summary>
    private bool IsOurLink(int ifindex, TcHook hook, uint program) => Folders(allInstances: true).Any(folder =>
    {
        using var link = BpfPin.TryOpen(EbpfPaths.Link(folder, ifindex, hook), BpfPinKind.Link);
        return link is not null && TcxLinks.ProgramOf(link) == program;
    });

    private static bool RemoveQdisc(int ifindex, string mark)
    {
        if (!Directory.Exists(mark) || Hooks.Any(hook => TcFilters.List(ifindex, hook).Count > 0))
        {
            return false;
        }

        TcFilters.RemoveQdisc(ifindex);
        Directory.Delete(mark);
        return true;
    }
}
