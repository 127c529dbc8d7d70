namespace Portcullis.Host.Configuration;

/// <summary>One key of the configuration as somebody gave it.</summary>
/// <param name="Key">The key with colons between its parts; an element of a list ends in its index.</param>
/// <param name="Value">The text; empty for an empty list.</param>
/// <param name="Origin">Where it was given: <c>file:line</c>, the environment variable or the option.</param>
internal readonly record struct Setting(string Key, string Value, string Origin)
{
    /// <summary>The key as users write it.</summary>
    public string DisplayKey => Key.Replace(':', '.');
}
