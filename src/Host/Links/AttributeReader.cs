using System.Buffers.Binary;

namespace Portcullis.Host.Links;

/// <summary>Walks netlink attributes (struct rtattr: u16 length, u16 type, value, padding to 4 bytes); stops at a malformed one.</summary>
internal ref struct AttributeReader(ReadOnlySpan<byte> data)
{
    private const ushort TypeMask = 0x3fff;

    private ReadOnlySpan<byte> _rest = data;

    public Attribute Current { get; private set; }

    public readonly AttributeReader GetEnumerator() => this;

    public bool MoveNext()
    {
        if (_rest.Length < 4)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadUInt16LittleEndian(_rest);
        if (length < 4 || length > _rest.Length)
        {
            return false;
        }

        var type = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(_rest[2..]) & TypeMask);
        Current = new Attribute(type, _rest[4..length]);
        _rest = _rest[Math.Min(_rest.Length, (length + 3) & ~3)..];
        return true;
    }

    /// <summary>One attribute.</summary>
    internal readonly ref struct Attribute(ushort type, ReadOnlySpan<byte> value)
    {
        public ushort Type { get; } = type;

        public ReadOnlySpan<byte> Value { get; } = value;
    }
}
