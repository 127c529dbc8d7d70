namespace Portcullis.Datapath.Ebpf.Tables;

/// <summary>References between table entries: PC_REF_*.</summary>
internal static class Reference
{
    public const uint KindMask = 0xc0000000;
    public const uint Block = 0x40000000;
    public const uint Node = 0x80000000;
    public const uint ValueMask = 0x3fffffff;

    /// <summary>No class: every rule set denies such an address. The programs take no other meaning from this kind.</summary>
    public const uint Unfit = 0xc0000000;

    public static bool IsClass(uint reference) => (reference & KindMask) == 0;

    public static bool IsBlock(uint reference) => (reference & KindMask) == Block;

    public static bool IsNode(uint reference) => (reference & KindMask) == Node;

    public static int Index(uint reference) => (int)(reference & ValueMask);
}

/// <summary>Verdicts as tables hold them: PC_VERDICT_*.</summary>
internal static class Verdict
{
    public const uint Deny = 0u << KindShift;
    public const uint Allow = 1u << KindShift;
    public const uint Isolated = 2u << KindShift;
    public const uint Audit = 3u << KindShift;
    public const uint Ports = 4u << KindShift;
    public const uint AuditIsolated = 5u << KindShift;
    public const uint KindMask = ~ArgumentMask;
    public const uint ArgumentMask = 0x1fffffff;
    private const int KindShift = 29;

    public static uint Kind(uint verdict) => verdict & KindMask;

    public static uint Argument(uint verdict) => verdict & ArgumentMask;
}
