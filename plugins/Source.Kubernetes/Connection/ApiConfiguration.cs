using k8s;
using k8s.Authentication;
using k8s.Exceptions;
using k8s.KubeConfigModels;
using YamlDotNet.RepresentationModel;

namespace Portcullis.Sources.Kubernetes.Connection;

/// <summary>Finds the API server and the credentials for it.</summary>
internal static class ApiConfiguration
{
    /// <summary>Reads everything anew: files may have been replaced.</summary>
    /// <param name="kubeconfig">The kubeconfig file; empty: the ServiceAccount of the pod this runs in.</param>
    /// <exception cref="ApiConfigurationException">It cannot be read.</exception>
    public static KubernetesClientConfiguration Read(string kubeconfig)
    {
        if (kubeconfig.Length > 0)
        {
            return ReadFile(kubeconfig);
        }

        if (!KubernetesClientConfiguration.IsInCluster())
        {
            throw new ApiConfigurationException(
                "source.kubernetes.kubeconfig is not set and this is no pod with a ServiceAccount (KUBERNETES_SERVICE_HOST or its token is missing): set source.kubernetes.kubeconfig");
        }

        return Guard("the ServiceAccount of this pod", KubernetesClientConfiguration.InClusterConfig);
    }

    private static KubernetesClientConfiguration ReadFile(string path) => Guard($"kubeconfig {path}", () =>
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException("the file does not exist");
        }

        var model = KubernetesClientConfiguration.LoadKubeConfig(new FileInfo(path), useRelativePaths: true);
        var tokenFile = FindTokenFile(model, path);
        if (tokenFile is null)
        {
            return KubernetesClientConfiguration.BuildConfigFromConfigObject(model);
        }

        // The package does not know the field and wants to see a token.
        var user = CurrentUser(model)!;
        user.UserCredentials.Token = File.ReadAllText(tokenFile).Trim();
        var configuration = KubernetesClientConfiguration.BuildConfigFromConfigObject(model);
        configuration.TokenProvider = new TokenFileAuth(tokenFile);
        return configuration;
    });

    private static T Guard<T>(string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is not (ApiConfigurationException or OutOfMemoryException))
        {
            throw new ApiConfigurationException($"{what} cannot be used: {exception.Message.ReplaceLineEndings(" ")}", exception);
        }
    }

    private static User? CurrentUser(K8SConfiguration model)
    {
        var context = model.Contexts?.FirstOrDefault(context => context.Name == model.CurrentContext);
        return model.Users?.FirstOrDefault(user => user.Name == context?.ContextDetails?.User);
    }

    /// <summary>The <c>tokenFile</c> of the current user, relative to the kubeconfig; null when there is none.</summary>
    private static string? FindTokenFile(K8SConfiguration model, string path)
    {
        if (CurrentUser(model) is not { UserCredentials: { Token: null or "" } } current)
        {
            return null;
        }

        var yaml = new YamlStream();
        using var reader = File.OpenText(path);
        yaml.Load(reader);
        var tokenFile = yaml.Documents[0].RootNode is YamlMappingNode root && Find(root, "users") is YamlSequenceNode users
            ? users.OfType<YamlMappingNode>()
                .Where(user => (Find(user, "name") as YamlScalarNode)?.Value == current.Name)
                .Select(user => Find(user, "user") is YamlMappingNode details ? (Find(details, "tokenFile") as YamlScalarNode)?.Value : null)
                .FirstOrDefault()
            : null;
        return tokenFile is null ? null : Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, tokenFile);
    }

    private static YamlNode? Find(YamlMappingNode mapping, string key) => mapping.Children.TryGetValue(new YamlScalarNode(key), out var node) ? node : null;
}
