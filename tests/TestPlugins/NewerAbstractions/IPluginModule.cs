namespace Portcullis.Plugins;

/// <summary>Has the name of the host's contract and nothing else in common with it.</summary>
public interface IPluginModule;
