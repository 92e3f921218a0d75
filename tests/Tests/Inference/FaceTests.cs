using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

public sealed class FaceTests
{
    [Fact]
    public void An_anchor_is_a_cell_centre_and_its_box_an_offset_in_input_pixels()
    {
        // First layer: 16×16 cells of 16 px at side 256, two anchors each. Anchor 1 of cell (x 3, y 2): index (2·16 + 3)·2 + 1.
        var scores = new float[512];
        Array.Fill(scores, -50);
        const int index = (((2 * 16) + 3) * 2) + 1;
        scores[index] = 3;
        var boxes = new float[512 * 16];
        float[] box = [4, -8, 64, 32, /* keypoints */ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        box.CopyTo(boxes, index * 16);
        var found = new List<FaceCandidate>();

        BlazeFaceNetwork.Decode(scores, boxes, 0, 256, new Region(100, 50, 512, 512), 0.5f, found);

        var face = found.ShouldHaveSingleItem();
        face.Score.ShouldBe(0.9526f, 1e-4f);
        face.Values[..4].ShouldBe([100 + ((56 + 4) * 2), 50 + ((40 - 8) * 2), 128, 64]);
        face.Values[4..6].ShouldBe([100 + (57 * 2), 50 + (42 * 2)]);
        (face.Left, face.Bottom).ShouldBe((220 - 64, 114 + 32));

        // Second layer: 8×8 cells, six anchors; the last anchor of the last cell.
        scores = new float[384];
        Array.Fill(scores, -50);
        scores[^1] = 0.1f;
        found.Clear();
        BlazeFaceNetwork.Decode(scores, new float[384 * 16], 1, 256, new Region(0, 0, 256, 256), 0.5f, found);
        found.ShouldHaveSingleItem().Values[..2].ShouldBe([240, 240]);
    }

    [Fact]
    public void Overlapping_candidates_are_averaged_by_score()
    {
        var merged = FaceMerging.Weighted([Candidate(0.6f, 104, 100, 40), Candidate(0.9f, 100, 100, 40), Candidate(0.8f, 300, 100, 40)]);

        merged.Count.ShouldBe(2);
        merged[0].Score.ShouldBe(0.9f);
        merged[0].Values[0].ShouldBe(((0.6f * 104) + (0.9f * 100)) / 1.5f, 1e-3f);
        merged[1].Values[0].ShouldBe(300);
    }

    [Fact]
    public void Across_scales_the_surest_view_stays_and_a_box_within_another_is_the_same_face()
    {
        var faces = FaceMerging.Best([Candidate(0.7f, 100, 100, 120), Candidate(0.95f, 110, 105, 50), Candidate(0.8f, 300, 100, 50)]);
        faces.Select(face => face.Score).ShouldBe([0.95f, 0.8f]);
    }

    [Theory]
    [InlineData(640, 480, 1)]
    [InlineData(1024, 1024, 1)]
    [InlineData(1152, 896, 2)]
    [InlineData(1280, 960, 5)]
    [InlineData(4000, 3000, 13)]
    [InlineData(12000, 300, 13)]
    public void The_search_covers_the_picture_at_a_bounded_cost(int width, int height, int most)
    {
        var squares = FaceSearchGrid.Squares(width, height, new FaceSearchOptions()).ToList();

        squares.Count.ShouldBeLessThanOrEqualTo(most);
        squares.ShouldAllBe(s => s.Width == s.Height);
        bool whole = squares[0].X <= 0 && squares[0].Y <= 0 && squares[0].X + squares[0].Width >= width && squares[0].Y + squares[0].Height >= height;
        var tiles = squares.Skip(whole ? 1 : 0).ToList();
        for (int i = 0; tiles.Count > 0 && i < 400; i++)
        {
            // Without a look at the whole picture, a face of six tenths of its shorter side lies whole in a tile wherever it is.
            int face = whole ? 1 : Math.Min(width, height) * 6 / 10, x = (i % 20 * (width - face)) / 19, y = (i / 20 * (height - face)) / 19;
            tiles.ShouldContain(t => x >= t.X && x + face <= t.X + t.Width && y >= t.Y && y + face <= t.Y + t.Height, $"{x},{y}");
        }
    }

    [Theory]
    [InlineData(-300, 0, 100, false)]
    [InlineData(0, 200, 100, false)]
    [InlineData(-97, 0, 100, false)]
    [InlineData(-96, 40, 100, true)]
    [InlineData(-10, -20, 400, true)]
    public void A_square_beside_the_picture_is_not_looked_at_again(int x, int y, int side, bool looked) =>
        BlazeFaceFinder.ReachesInto(new Region(x, y, side, side), 200, 150).ShouldBe(looked);

    [Theory]
    [InlineData(-1796, 0, 1800)] // four columns of the picture are half a pixel of the network's input
    [InlineData(-1799, -1799, 1800)]
    [InlineData(60, 40, 16)]
    public void A_sliver_of_the_picture_is_a_pixel_of_the_input_at_least(int x, int y, int side)
    {
        var tensor = new float[256 * 256 * 3];
        BlazeFaceNetwork.Fill([.. Enumerable.Repeat((byte)255, 200 * 150 * 3)], 200, 150, [new Region(x, y, side, side)], 256, tensor);
        tensor[x < 0 ? ^3 : 0].ShouldBe(y == 0 ? -1 : 1, 1e-4f);
        tensor.Count(v => v > 0.99f).ShouldBeGreaterThan(0);
    }

    [Theory]
    [InlineData(1280, 960)]
    [InlineData(3000, 2011)]
    [InlineData(2600, 300)]
    [InlineData(300, 2600)]
    public void Tiles_side_by_side_are_shown_as_each_alone_would_be(int width, int height)
    {
        var random = new Random(2);
        var rgb = new byte[width * height * 3];
        random.NextBytes(rgb);
        var squares = FaceSearchGrid.Squares(width, height, new FaceSearchOptions());
        var rows = FaceSearchGrid.Rows(squares);
        rows.SelectMany(row => row).ShouldBe(squares);
        const int Length = 256 * 256 * 3;
        foreach (var row in rows)
        {
            float[] together = new float[row.Length * Length], alone = new float[Length];
            BlazeFaceNetwork.Fill(rgb, width, height, row, 256, together);
            for (int i = 0; i < row.Length; i++)
            {
                BlazeFaceNetwork.Fill(rgb, width, height, [row[i]], 256, alone);
                together.AsSpan(i * Length, Length).SequenceEqual(alone).ShouldBeTrue($"{row[i]}");
            }
        }
    }

    [Fact]
    public void A_wrong_face_model_is_refused()
    {
        using var folder = new ModelFolder();
        using var missing = new BlazeFaceFinder(folder.Path, null, NullLogger<BlazeFaceFinder>.Instance);
        missing.Unavailable.ShouldNotBeNull().ShouldContain("is missing");

        string back = Path.Combine(folder.Path, BlazeFaceFinder.BackFile);
        Directory.CreateDirectory(Path.GetDirectoryName(back)!);
        File.WriteAllBytes(back, ModelFolder.RedFinder());
        using var wrong = new BlazeFaceFinder(folder.Path, null, NullLogger<BlazeFaceFinder>.Instance);
        wrong.Unavailable.ShouldNotBeNull().ShouldContain("not the expected one");
        Should.Throw<DetectorUnavailableException>(() => wrong.Find(new byte[32 * 32 * 3], 32, 32, default));
    }

    private static FaceCandidate Candidate(float score, float x, float y, float side) => new(score, [x, y, side, side, .. new float[12]]);
}
