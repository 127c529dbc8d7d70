namespace Portcullis.Datapath.Ebpf;

/// <summary>How this instance's programs are on an interface, as the worse of its two hooks has it.</summary>
internal enum AttachmentState
{
    /// <summary>A hook has none.</summary>
    Missing,

    /// <summary>A filter stands in for the link that a hook shall have.</summary>
    StandIn,

    /// <summary>Both hooks have what they shall have.</summary>
    Complete,
}
