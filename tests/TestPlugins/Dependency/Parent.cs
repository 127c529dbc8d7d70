namespace Portcullis.TestPlugins;

/// <summary>What a plugin's class derives from, in an assembly that is missing when the plugin is loaded.</summary>
public abstract class Parent;
