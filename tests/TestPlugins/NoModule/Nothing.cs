using Portcullis.Net;

namespace Portcullis.TestPlugins;

internal static class Nothing
{
    /// <summary>Refers to the contracts, as a plugin does, without being one.</summary>
    public static IpAddress Address => IpAddress.V4(0);
}
