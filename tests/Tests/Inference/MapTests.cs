using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

public sealed class MapTests
{
    [Fact]
    public void A_plane_at_a_quarter_of_the_size_is_the_map_itself()
    {
        var canvas = new MapCanvas(61, 38); // 16×10 cells, the last ones partly beyond the picture
        float[] values = [.. Enumerable.Range(0, 160).Select(i => i / 160f)];
        canvas.Blend(new Plane(16, 10, values), new Region(0, 0, 64, 40), overlap: 0);

        var map = canvas.ToMap();

        (map.Width, map.Height).ShouldBe((16, 10));
        map.Values.ShouldBe(values.Select(v => (byte)((v * 255) + 0.5f)));
    }

    [Theory]
    [InlineData(61, 38, 64, 40, 16, 10)]
    [InlineData(61, 38, 61, 38, 32, 32)] // the last column's centre lies beyond the picture
    [InlineData(613, 411, 616, 416, 154, 104)]
    public void A_single_plane_is_drawn_as_if_it_were_blended(int width, int height, int across, int down, int planeWidth, int planeHeight)
    {
        var random = new Random(3);
        var plane = new Plane(planeWidth, planeHeight, [.. Enumerable.Range(0, planeWidth * planeHeight).Select(_ => random.NextSingle() * 1.3f)]);
        foreach (bool relative in new[] { false, true })
        {
            MapCanvas only = new(width, height), blended = new(width, height);
            only.Only(plane, new Region(0, 0, across, down));
            blended.Blend(plane, new Region(0, 0, across, down), overlap: 0);
            only.ToMap(relative).Values.ShouldBe(blended.ToMap(relative).Values);
        }
    }

    [Fact]
    public void A_finer_plane_is_averaged_and_a_coarser_one_interpolated()
    {
        var fine = new MapCanvas(16, 4);
        fine.Blend(new Plane(16, 4, [.. Enumerable.Range(0, 64).Select(i => i % 4 == 3 ? 1f : 0f)]), new Region(0, 0, 16, 4), 0);
        fine.ToMap().Values.ShouldBe(new byte[] { 64, 64, 64, 64 }); // one in four

        var coarse = new MapCanvas(32, 4);
        coarse.Blend(new Plane(2, 1, [0, 1]), new Region(0, 0, 32, 4), 0);
        byte[] values = coarse.ToMap().Values;
        values[0].ShouldBe((byte)0);
        values[^1].ShouldBe((byte)255);
        values.ShouldBe(values.Order());
        values[3].ShouldBe((byte)(255 * 0.375 + 0.5)); // centre at 14 of 32 pixels: 14/16 − ½ of the way
    }

    [Fact]
    public void A_face_is_drawn_where_it_is_and_the_higher_value_stays()
    {
        var canvas = new MapCanvas(100, 80);
        canvas.Highest(new Plane(8, 8, [.. Enumerable.Repeat(0.5f, 64)]), new Region(20, 12, 40, 40));
        canvas.Highest(new Plane(8, 8, [.. Enumerable.Repeat(0.25f, 64)]), new Region(40, 12, 80, 40)); // overlaps the first, leaves the picture
        canvas.Highest(new Plane(2, 2, [1, 1, 1, 1]), new Region(-300, 0, 8, 8)); // outside

        var map = canvas.ToMap();

        for (int y = 0; y < map.Height; y++)
        {
            for (int x = 0; x < map.Width; x++)
            {
                bool row = y is >= 3 and < 13;
                map.Values[(y * map.Width) + x].ShouldBe((byte)(row && x is >= 5 and < 15 ? 128 : row && x >= 15 ? 64 : 0), $"cell {x},{y}");
            }
        }
    }

    [Fact]
    public void An_activation_map_above_one_is_shown_relative_to_its_maximum()
    {
        var strong = new MapCanvas(8, 4);
        strong.Blend(new Plane(2, 1, [2, 8]), new Region(0, 0, 8, 4), 0);
        strong.ToMap(relative: true).Values.ShouldBe(new byte[] { 64, 255 });

        var weak = new MapCanvas(8, 4);
        weak.Blend(new Plane(2, 1, [0, 0.02f]), new Region(0, 0, 8, 4), 0);
        weak.ToMap(relative: true).Values.ShouldBe(new byte[] { 0, 5 }); // noise is not blown up
    }

    [Theory]
    [InlineData(3000, 2000)]
    [InlineData(1025, 4097)]
    [InlineData(16000, 401)]
    [InlineData(2049, 2049)]
    public void Tiles_cover_the_picture_on_the_block_grid_with_enough_overlap(int width, int height)
    {
        var manifest = Manifest(tile: 512, overlap: 96);
        var tiles = TileGrid.Cover(width, height, manifest);

        tiles.ShouldAllBe(t => t.X % 8 == 0 && t.Y % 8 == 0 && t.Width % 8 == 0 && t.Height % 8 == 0 && t.Width <= 512 && t.Height <= 512);
        tiles.Select(t => (t.Width, t.Height)).Distinct().Count().ShouldBe(1); // they may share batches
        foreach (var (starts, size, length) in new[] { (tiles.Select(t => t.X), tiles[0].Width, width), (tiles.Select(t => t.Y), tiles[0].Height, height) })
        {
            int[] sorted = [.. starts.Distinct().Order()];
            sorted[0].ShouldBe(0);
            (sorted[^1] + size).ShouldBeInRange(length, length + 7);
            sorted.Zip(sorted.Skip(1)).ShouldAllBe(pair => pair.First + size - pair.Second >= 96);
        }
    }

    [Fact]
    public void A_picture_within_the_limit_is_one_padded_tile() =>
        TileGrid.Cover(500, 333, Manifest(512, 96)).ShouldBe([new Region(0, 0, 504, 336)]);

    [Fact]
    public void One_clear_part_decides_but_doubts_do_not_add_up()
    {
        Odds.Mean([0.3]).ShouldBe(0.3, 1e-9);
        Odds.Mean([0.999, 0.05, 0.05, 0.05]).ShouldBeGreaterThan(0.99);
        Odds.Mean(Enumerable.Repeat(0.3, 20)).ShouldBe(0.3, 1e-9);
        Odds.Mean([0, 1]).ShouldBeInRange(0.999, 1);
    }

    private static ModelManifest Manifest(int tile, int overlap) => new()
    {
        Name = "t", Version = "1", Detector = "shallowfake", File = "t.onnx", Sha256 = new string('0', 64),
        Tiling = new ModelTiling { MaxPixels = 1 << 18, Tile = tile, Overlap = overlap },
    };
}
