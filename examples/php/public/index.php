<?php
// A front controller, as WordPress has it: every path that is no file comes here.
header('Content-Type: text/plain');
echo "method      {$_SERVER['REQUEST_METHOD']}\n";
echo "uri         {$_SERVER['REQUEST_URI']}\n";
echo "script_name {$_SERVER['SCRIPT_NAME']}\n";
echo "path_info   " . ($_SERVER['PATH_INFO'] ?? '') . "\n";
echo "body        " . strlen(file_get_contents('php://input')) . " bytes\n";
