using Portcullis.Datapaths;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>Somebody else has taken a name of ours in the BPF file system.</summary>
internal sealed class ForeignPinException(string path)
    : DatapathException($"{path}: is not what Portcullis keeps there: remove it (rm -r {path})");
