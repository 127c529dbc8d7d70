namespace Portcullis.Deploy.Tests;

/// <summary>The source tree this test was built from.</summary>
internal static class Repository
{
    private static readonly string Root = FindRoot();

    /// <summary>A file or folder of it.</summary>
    public static string PathOf(string relative) => Path.Combine(Root, relative);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "portcullis.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"portcullis.slnx is in no folder above {AppContext.BaseDirectory}: run the tests from a clone");
    }
}
