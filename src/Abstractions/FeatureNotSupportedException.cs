namespace Portcullis;

/// <summary>This machine lacks something a plugin needs: a kernel feature, a library, a program.</summary>
/// <remarks>A plugin that throws it while it registers or probes ends <see cref="Plugins.PluginState.Unsupported"/>, not failed.</remarks>
public sealed class FeatureNotSupportedException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="feature">What is missing, as its users name it: <c>bpffs</c>, <c>ipset</c>.</param>
    /// <param name="remedy">What to do about it: the package to install, the first kernel that has it.</param>
    public FeatureNotSupportedException(string feature, string remedy)
        : base($"{feature}: {remedy}")
    {
        Feature = feature;
        Remedy = remedy;
    }

    /// <summary>What is missing.</summary>
    public string Feature { get; }

    /// <summary>What to do about it.</summary>
    public string Remedy { get; }
}
