<?php
/** Installs WordPress with a shop's pages and two customers: php set_up.php LOAD.PHP */
define( 'WP_INSTALLING', true );
require $argv[1];
require ABSPATH . 'wp-admin/includes/upgrade.php';

wp_install( 'Shop', 'owner', 'owner@shop.example', true, '', 'secret' );
get_role( 'administrator' )->add_cap( 'manage_woocommerce' );
foreach ( array( 'anna', 'bert' ) as $name ) {
	wp_insert_user( array( 'user_login' => $name, 'user_pass' => 'x', 'user_email' => "$name@example.com" ) );
}
foreach ( array( 'checkout', 'cart' ) as $page ) {
	wp_insert_post(
		array(
			'post_type'    => 'page',
			'post_status'  => 'publish',
			'post_name'    => $page,
			'post_title'   => $page,
			'post_content' => 'checkout' === $page ? '[woocommerce_checkout]' : '[woocommerce_cart]',
		)
	);
}
update_option( 'permalink_structure', '/%postname%/' );
update_option( 'template', 'plain' );
update_option( 'stylesheet', 'plain' );
update_option( 'active_plugins', array( 'winback-for-woocommerce/winback-for-woocommerce.php', 'woocommerce/woocommerce.php' ) );
