using Portcullis.Plugins;

namespace Portcullis.TestPlugins;

internal sealed class NewerModule : IPluginModule;
