# Nothing that can be told without running is wrong: pages, scripts, includes, first lines, paths.
# release only: it reads sources
exec sh "$TOP/scripts/lint"
