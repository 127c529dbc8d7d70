using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Datapath.Ebpf.Tests.Kernel;

/// <summary>Compares the types of the C header, as its BTF describes them, with their mirrors.</summary>
public sealed class LayoutTests
{
    private static readonly BtfTypes Types = ReadTypes();

    public static TheoryData<Type, string> Structs => new()
    {
        { typeof(PcNode6), "pc_node6" },
        { typeof(PcPortEntry), "pc_port_entry" },
        { typeof(PcEndpoint), "pc_endpoint" },
        { typeof(PcOwnAddressKey), "pc_own_address_key" },
        { typeof(PcConfig), "pc_config" },
        { typeof(PcPermit), "pc_permit" },
        { typeof(PcCounter), "pc_counter" },
        { typeof(PcRuleCounter), "pc_rule_counter" },
        { typeof(PcEvent), "pc_event" },
        { typeof(PcAwaited), "pc_awaited" },
    };

    [Theory, MemberData(nameof(Structs))]
    public void Struct_InHeaderAndMirror_HasTheSameLayout(Type mirror, string name)
    {
        var native = Types.Struct(name);

        var (size, counted) = Numbered(mirror);
        Assert.Equal(native.Size, size);
        var fields = mirror.GetFields(BindingFlags.Instance | BindingFlags.Public).Select(field => (Snake(field.Name), FirstByte(field.GetValue(counted)!)));
        Assert.Equal(native.Members, fields);
    }

    [Theory]
    [InlineData("pc_block", 1024)]
    [InlineData("pc_row", 1024)]
    [InlineData("pc_page", 1024)]
    [InlineData("pc_permit_bucket", 128)]
    [InlineData("pc_interface_name", 16)]
    public void Struct_WithoutMirror_HasTheSizeThatUserSpaceAssumes(string name, int size) => Assert.Equal(size, Types.Struct(name).Size);

    [Fact]
    public void Reasons_InHeaderAndMirror_AreTheSame()
    {
        var mirror = Enum.GetValues<PcReason>().Select(reason => ("PC_REASON_" + Snake(reason.ToString()).ToUpperInvariant(), (int)reason));

        Assert.Equal(Types.Enum("pc_reason"), mirror);
    }

    [Fact]
    public void Directions_InHeaderAndModel_AreTheSame() =>
        Assert.Equal([("PC_INGRESS", (int)Direction.Ingress), ("PC_EGRESS", (int)Direction.Egress)], Types.Enum("pc_direction"));

    [Fact]
    public void Reasons_AllHaveNamesOfTheirOwn()
    {
        var names = Enum.GetValues<PcReason>().Select(Reasons.Name).ToArray();

        Assert.Equal(names.Length, names.Distinct().Count());
        Assert.All(names, name => Assert.Matches("^[a-z]+(-[a-z]+)*$", name));
    }

    private static BtfTypes ReadTypes()
    {
        using var layout = BpfObject.Open("layout.bpf.o");
        return new BtfTypes(layout.Btf());
    }

    /// <summary>The size of a type, and a value whose bytes are 0, 1, 2 and so on: the first byte of a field is then its offset.</summary>
    private static (int Size, object Value) Numbered(Type type) =>
        ((int, object))typeof(LayoutTests).GetMethod(nameof(NumberedValue), BindingFlags.Static | BindingFlags.NonPublic)!
            .MakeGenericMethod(type).Invoke(null, null)!;

    private static (int Size, object Value) NumberedValue<T>()
        where T : unmanaged
    {
        var bytes = Enumerable.Range(0, Unsafe.SizeOf<T>()).Select(i => (byte)i).ToArray();
        return (bytes.Length, MemoryMarshal.Read<T>(bytes));
    }

    private static int FirstByte(object value) => value switch
    {
        ulong number => (byte)number,
        uint number => (byte)number,
        ushort number => (byte)number,
        byte number => number,
        _ => FirstByte(value.GetType().GetFields(BindingFlags.Instance | BindingFlags.NonPublic)[0].GetValue(value)!),
    };

    private static string Snake(string name)
    {
        var text = new StringBuilder();
        foreach (var c in name)
        {
            if (char.IsUpper(c) && text.Length > 0)
            {
                text.Append('_');
            }

            text.Append(char.ToLowerInvariant(c));
        }

        return text.ToString();
    }
}
