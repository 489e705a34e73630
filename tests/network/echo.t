# Networks that give back their input, rounded, as labels: crop, order of axes, windows and the way back put each voxel where it
# was, whichever axis planes leave along (sagittal volumes too), with unchanged spacing.
count=18
[ "$FLAVOR" = release ] || count=6
exec /usr/bin/python3 "$TESTS/network/echo.py" $count
