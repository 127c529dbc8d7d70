using System.Buffers.Binary;
using System.Text;

namespace Portcullis.Datapath.Ebpf.Tests.Kernel;

/// <summary>The structs and enums of raw BTF data.</summary>
internal sealed class BtfTypes
{
    private const int KindStruct = 4;
    private const int KindEnum = 6;

    private readonly Dictionary<string, (int Size, List<(string Name, int Offset)> Members)> _structs = [];
    private readonly Dictionary<string, List<(string Name, int Value)>> _enums = [];

    public BtfTypes(byte[] btf)
    {
        var header = Int(btf, 4);
        var types = btf.AsSpan(header + Int(btf, 8), Int(btf, 12));
        var strings = btf.AsSpan(header + Int(btf, 16), Int(btf, 20));
        while (!types.IsEmpty)
        {
            var name = Text(strings, Int(types, 0));
            var info = Int(types, 4);
            var (kind, count) = ((info >> 24) & 0x1f, info & 0xffff);
            var rest = types[12..];
            if (kind == KindStruct)
            {
                _structs[name] = (Int(types, 8), []);
                for (var i = 0; i < count; i++)
                {
                    _structs[name].Members.Add((Text(strings, Int(rest, i * 12)), (Int(rest, (i * 12) + 8) & 0xffffff) / 8));
                }
            }
            else if (kind == KindEnum)
            {
                _enums[name] = [];
                for (var i = 0; i < count; i++)
                {
                    _enums[name].Add((Text(strings, Int(rest, i * 8)), Int(rest, (i * 8) + 4)));
                }
            }

            types = rest[Extra(kind, count)..];
        }
    }

    public (int Size, List<(string Name, int Offset)> Members) Struct(string name) => _structs[name];

    public List<(string Name, int Value)> Enum(string name) => _enums[name];

    /// <summary>The bytes that follow the common part of a type.</summary>
    private static int Extra(int kind, int count) => kind switch
    {
        1 => 4, // int
        3 => 12, // array
        KindStruct or 5 => 12 * count,
        KindEnum => 8 * count,
        13 => 8 * count, // function prototype
        14 => 4, // variable
        15 => 12 * count, // data section
        17 => 4, // declaration tag
        19 => 12 * count, // 64-bit enum
        _ => 0,
    };

    private static int Int(ReadOnlySpan<byte> data, int offset) => BinaryPrimitives.ReadInt32LittleEndian(data[offset..]);

    private static string Text(ReadOnlySpan<byte> strings, int offset)
    {
        var text = strings[offset..];
        return Encoding.ASCII.GetString(text[..text.IndexOf((byte)0)]);
    }
}
