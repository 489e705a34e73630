# Nothing that can be told without running is wrong: pages, scripts, includes, first lines, paths.
exec sh "$TOP/scripts/lint"
